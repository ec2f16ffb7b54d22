"""What is cached of a bootstrap for the next one: the packages' files, and the essential packages as a layer.

    CACHE/packages/DIGEST/NAME.deb      what one bootstrap downloaded
    CACHE/essentials/DIGEST/            tree.tar, packages (sha256 and name of each file), about.json

Neither changes what a bootstrap makes, so neither is in a tree's key. Both are taken only where apt's index of today
names the very same files (prepare.py), so a tree is never a mixture of two days. A layer is the tree as it is
when the essential packages are installed; all that comes on top of it is done by the same hooks (argv.py).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shlex
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from imagebuild.errors import HostError
from imagebuild.host import command
from imagebuild.host.cache import Cache
from imagebuild.host.cache_kinds import Kind
from imagebuild.host.digest import file_sha256
from imagebuild.plan.steps import BootstrapDebian
from imagebuild.rootfs.debian import argv as debian_argv
from imagebuild.rootfs.debian import prepare as debian_prepare

PACKAGES: Kind = "packages"
ESSENTIALS: Kind = "essentials"
_WAY = 1  # another number where a layer is made or unpacked in another way
# What the next bootstrap makes itself before a layer is unpacked, and what belongs to this one alone.
_NOT_IN_LAYER = (
    "./dev/*", "./tmp/*", "./var/cache/apt/*", "./var/lib/apt/lists/*",
    "./etc/resolv.conf", "./etc/hostname", "./etc/apt/sources.list", "./etc/apt/sources.list.d/*",
    "./etc/apt/apt.conf.d/*mmdebstrap", "./etc/dpkg/dpkg.cfg.d/99mmdebstrap",
    "./usr/sbin/policy-rc.d", "./sbin/start-stop-daemon.REAL", "./usr/sbin/start-stop-daemon.REAL",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Reuse:
    """One bootstrap's dealings with what is cached, in an empty directory `notes` of its workspace.

    `layers`: those that may be right. `key`: what a layer is made by. `moment`: no file of the tree is newer.
    """

    step: BootstrapDebian
    cache: Cache
    notes: Path
    moment: int
    began: int
    key: str
    layers: tuple[Path, ...]
    packages: tuple[Path, ...]

    def command(self, argv: list[str]) -> list[str]:
        """mmdebstrap's argv, with the hooks that take and store."""
        end = argv.index(self.step.suite)
        argv = [*argv[:end], "--skip=essential/unlink", f"--customize-hook={self._collect()}", *argv[end:]]
        if self.layers or self.packages:
            program = [sys.executable, "-I", debian_prepare.__file__, str(self._write_job())]
            argv.insert(end, f'--setup-hook={shlex.join(program)} "$1"')
        if self.layers:
            argv[argv.index("--variant=essential")] = "--variant=custom"
            # where mmdebstrap puts another program in its place, dpkg has put it back when it is a layer's turn
            argv.insert(end, "--skip=chroot/start-stop-daemon")
        elif self.key:
            argv.insert(1, f"--essential-hook={self._save()}")  # the first: the tree is as dpkg left it
        return argv

    def stale(self) -> bool:
        """Whether the bootstrap ended because no layer is right any more."""
        return (self.notes / debian_prepare.STALE).exists()

    def store(self) -> None:
        """After a bootstrap that went well. A cache that is full or gone is no reason to lose the tree."""
        used = self.notes / debian_prepare.USED
        with contextlib.suppress(OSError, HostError):
            for line in used.read_text(encoding="utf-8").splitlines() if used.exists() else []:
                with contextlib.suppress(FileNotFoundError):
                    os.utime(line)
            new = sorted((self.notes / "new").iterdir())
            self._store(PACKAGES, new, "".join(f"{file_sha256(path)} {path.name}\n" for path in new))
            if (self.notes / "layer/packages").exists():
                about = {"key": self.key, "moment": self.moment, "began": self.began}
                (self.notes / "layer/about.json").write_text(json.dumps(about), encoding="utf-8")
                names = (self.notes / "layer/packages").read_text(encoding="utf-8")
                self._store(ESSENTIALS, sorted((self.notes / "layer").iterdir()), f"{self.key}\n{names}")

    def _store(self, kind: Kind, files: list[Path], identity: str) -> None:
        def make(directory: Path) -> None:
            for path in files:
                path.rename(directory / path.name)

        if files:
            self.cache.get(kind, hashlib.sha256(identity.encode()).hexdigest(), make)

    def _write_job(self) -> Path:
        job = {
            "packages": list(map(str, self.packages)),
            "layers": list(map(str, self.layers)),
            "essential": debian_argv.essential(self.step),
            "added": debian_argv.beside_essential(self.step),
            "moment": self.moment,
            "saves": bool(self.key) and not self.layers,
        }
        path = self.notes / "job"
        path.write_text(json.dumps(job), encoding="utf-8")
        return path

    def _collect(self) -> str:
        """A hook that copies the files that were downloaded now."""
        new, seeded = (shlex.quote(str(self.notes / name)) for name in ("new", debian_prepare.SEEDED))
        return (
            'cd "$1/var/cache/apt/archives" && for deb in *.deb; do '
            f'if [ -f "$deb" ] && [ ! -e {seeded}/"$deb" ]; then printf "%s\\0" "$deb"; fi; '
            f"done | xargs -0r cp -t {new} -- || rm -f {new}/*"
        )

    def _save(self) -> str:
        """A hook that saves the tree; not where the packages' files do not come by way of apt's directory (file:)."""
        layer, view = (shlex.quote(str(self.notes / name)) for name in ("layer", "view"))
        excluded = shlex.join(f"--exclude={pattern}" for pattern in _NOT_IN_LAYER)
        return (
            'cd "$1/var/cache/apt/archives" && if [ -n "$(find . -maxdepth 1 -name "*.deb")" ]; then '
            # a mount of its own shows the directories beneath /proc and /sys instead of what is mounted there
            f'mount --bind "$1" {view} && tar -C {view} --format=posix --one-file-system --numeric-owner --xattrs '
            f'"--xattrs-include=*" {excluded} -cf {layer}/tree.tar . && umount {view} && '
            f"{{ [ -s {layer}/packages ] || sha256sum -- *.deb >{layer}/packages; }} || rm -f {layer}/*; fi"
        )


def reuse_for(
    step: BootstrapDebian, apt_sources: tuple[str, ...], moment: int | None, cache: Cache, notes: Path, *, layers: bool
) -> Reuse:
    """What may be taken for this bootstrap. `layers` False: of these none, because none was right."""
    for name in ("new", "layer", "view"):
        (notes / name).mkdir(parents=True)
    # without a moment the tree shows the time at which it was made, a layer another one
    key = _key(step, apt_sources) if moment is not None and debian_argv.has_layer(step) else ""
    fitting = [
        directory
        for directory in _directories(cache, ESSENTIALS)
        if layers and key and _about(directory).get("key") == key
    ]
    packages = _directories(cache, PACKAGES)
    return Reuse(step, cache, notes, moment or 0, int(time.time()), key, tuple(fitting), tuple(packages))


def _key(step: BootstrapDebian, apt_sources: tuple[str, ...]) -> str:
    program = hashlib.sha256(command.require("mmdebstrap", "mmdebstrap").read_bytes()).hexdigest()
    facts = [_WAY, program, step.suite, step.architecture, apt_sources]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _directories(cache: Cache, kind: Kind) -> list[Path]:
    directory = cache.root / kind
    names = sorted(path.name for path in directory.iterdir()) if directory.is_dir() else []
    return [path for name in names if (path := cache.find(kind, name)) is not None]


def _about(directory: Path) -> dict[str, str]:
    try:
        found = json.loads((directory / "about.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
