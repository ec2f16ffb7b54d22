"""A Debian tree, bootstrapped with mmdebstrap in a namespace of its own."""

from __future__ import annotations

import re
import shlex
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from imagebuild.build import quick_initrd
from imagebuild.build.sources.release_date import newest_release
from imagebuild.build.times import VARIABLE
from imagebuild.errors import BuildError
from imagebuild.host import command, namespace
from imagebuild.host.apt_sources import debian_mirrors
from imagebuild.host.cache import Cache
from imagebuild.plan.steps import BootstrapDebian
from imagebuild.report import Progress

_DEBIAN_NAMES = {"x86_64": "amd64", "i386": "i386"}
# apt gives up on a mirror that is silent for so long; without it a dead mirror holds a build for minutes.
_APT_TIMEOUT_SECONDS = 30
_SNAPSHOT = re.compile(r"(?P<archive>\S+/archive/)debian/(?P<date>\d{8}T\d{6}Z)/?")
# Releases whose security updates are called so (older ones: SUITE/updates), and those without any.
_WITH_POCKETS = ("bullseye", "bookworm", "trixie")
# What a bootstrap needs at the same time: the tree and the packages (Debian 12 with a kernel: 0.9 GiB).
_BOOTSTRAP_BYTES = 2 * 2**30
_SIGNS = {
    "Could not resolve": ("the mirror's name cannot be resolved", "check the network, or rootfs.debian.mirror"),
    "Could not connect": ("the mirror cannot be reached", "check the network, or rootfs.debian.mirror"),
    "Connection timed out": ("the mirror does not answer", "check the network, or rootfs.debian.mirror"),
    "does not have a Release file": (
        "the mirror does not have this suite",
        "check rootfs.debian.suite (a code name such as bookworm) and rootfs.debian.mirror",
    ),
    "Unable to locate package": (
        "a package does not exist in this suite",
        "check the names in rootfs.debian.packages, and rootfs.debian.components",
    ),
    "has no installation candidate": (
        "a package cannot be installed from this suite",
        "check the names in rootfs.debian.packages, and rootfs.debian.components",
    ),
    "NO_PUBKEY": (
        "the mirror's signature cannot be checked",
        "install the Debian package debian-archive-keyring, or check the mirror",
    ),
    "No space left on device": (
        "there is no space left",
        "free some space, or choose other places with TMPDIR and IMAGEBUILD_CACHE",
    ),
}


def apt_sources(step: BootstrapDebian) -> tuple[str, ...]:
    """The one-line entries of apt's sources: the recipe's mirror, or this machine's own.

    A snapshot of Debian's archive (https://snapshot.debian.org/) stays valid for ever, and its updates lie beside it.
    """
    if step.mirror is not None and (snapshot := _SNAPSHOT.fullmatch(step.mirror)):
        return tuple(_snapshot_sources(step, snapshot))
    if step.mirror is not None:
        return (f"deb {step.mirror} {step.suite} {' '.join(step.components)}",)
    more = " ".join(component for component in step.components if component != "main")
    return tuple(f"{line} {more}".rstrip() for line in debian_mirrors(step.suite))


def _snapshot_sources(step: BootstrapDebian, snapshot: re.Match[str]) -> Iterator[str]:
    components = " ".join(step.components)
    yield f"deb [check-valid-until=no] {step.mirror} {step.suite} {components}"
    if step.suite in _WITH_POCKETS:
        security = f"{snapshot['archive']}debian-security/{snapshot['date']}"
        yield f"deb [check-valid-until=no] {step.mirror} {step.suite}-updates {components}"
        yield f"deb [check-valid-until=no] {security} {step.suite}-security {components}"


def words(
    step: BootstrapDebian, apt_sources: tuple[str, ...], index: Path, archive: Path, pins: Path | None = None
) -> list[str]:
    """The whole command. What is in it makes the tree, so it is part of the tree's cache key (rootfs.resolve).

    `pins`: a file of apt's preferences; it is read where it lies, and nothing of it is left in the tree.
    """
    return [
        "mmdebstrap", "--mode=root", f"--variant={step.variant}", "--format=tar",
        f"--architectures={_DEBIAN_NAMES[step.architecture]}", f"--components={','.join(step.components)}",
        f"--aptopt=Acquire::http::Timeout \"{_APT_TIMEOUT_SECONDS}\"",
        f"--aptopt=Acquire::https::Timeout \"{_APT_TIMEOUT_SECONDS}\"",
        # every kernel mounts devtmpfs there; an ordinary user's tree could not hold device nodes. mmdebstrap leaves
        # the folder out, too, and without it nothing can be mounted: it is put back below
        "--skip=output/dev",
        "--dpkgopt=force-unsafe-io",  # the tree is copied out in the end: fsync protects nothing
        f"--essential-hook={quick_initrd.HOOK_BEFORE}",
        f"--customize-hook={quick_initrd.HOOK_LEFT}",
        f"--customize-hook={quick_initrd.HOOK_AFTER}",
        f"--customize-hook={_note_digests(index)}",
        # what was asked of apt and dpkg for the bootstrap is not meant for the machine that the image becomes
        '--customize-hook=cd "$1/etc" && rm -f apt/apt.conf.d/99mmdebstrap dpkg/dpkg.cfg.d/99mmdebstrap',
        # mmdebstrap leaves this machine's own name and resolver in the tree
        '--customize-hook=cd "$1/etc" && rm -f resolv.conf hostname && echo localhost >hostname',
        *([f"--setup-hook={_take_preferences(pins)}"] if pins else []),
        *([f"--include={','.join(step.packages)}"] if step.packages else []),
        step.suite, str(archive), *apt_sources,
    ]  # fmt: skip


def bootstrap(
    step: BootstrapDebian,
    apt_sources: tuple[str, ...],
    epoch: int | None,
    archive: Path,
    cache: Cache,
    progress: Progress,
    pins: str = "",
) -> str:
    """Let mmdebstrap make the tree into the tar file `archive`; returns the archive's index of its packages.

    No file is newer than `epoch`, or (None) than the archive's own date. `pins`: apt's preferences meanwhile.

    Raises BuildError with mmdebstrap's words, HostError when it is not installed.
    """
    command.require("mmdebstrap", "mmdebstrap")
    with namespace.workspace(cache.root / "work") as space:
        index = space.folder / "index"
        index.touch()
        preferences = space.folder / "preferences"
        preferences.write_text(pins, encoding="utf-8")
        argv = words(step, apt_sources, index, archive, preferences if pins else None)
        moment = epoch if epoch is not None else newest_release(apt_sources)
        finished = namespace.attempt_program(
            argv,
            space,
            memory=namespace.fits_in_memory(_BOOTSTRAP_BYTES),
            environment={**quick_initrd.environment(), **({} if moment is None else {VARIABLE: str(moment)})},
            log=progress.log,
        )
        if finished.exit_code != 0:
            raise _failed(step, finished)
        _add_dev(archive, moment or 0)
        return index.read_text(encoding="utf-8", errors="replace")


def offered(
    step: BootstrapDebian, apt_sources: tuple[str, ...], names: Iterable[str], cache: Cache, progress: Progress
) -> str:
    """The archive's records of all versions of the packages (apt-cache(8), show); empty when it does not answer."""
    with namespace.workspace(cache.root / "work") as space:
        index, wanted = space.folder / "index", space.folder / "names"
        index.touch()
        wanted.write_text("\n".join(names), encoding="utf-8")
        show = f"xargs apt-cache show <{shlex.quote(str(wanted))} >{shlex.quote(str(index))} 2>/dev/null"
        argv = [
            "mmdebstrap", "--mode=root", "--variant=custom", "--format=null",
            f"--architectures={_DEBIAN_NAMES[step.architecture]}",
            f'--customize-hook=export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"; {show} || true',
            step.suite, "-", *apt_sources,
        ]  # fmt: skip
        namespace.attempt_program(argv, space, memory=False, environment={}, log=progress.log)
        return index.read_text(encoding="utf-8", errors="replace")


def _take_preferences(pins: Path) -> str:
    """A hook that makes apt read its preferences there (apt.conf(5), Dir::Etc::Preferences)."""
    line = shlex.quote(f'Dir::Etc::Preferences "{pins}";')
    return f'echo {line} >>"$MMDEBSTRAP_APT_CONFIG"'


def _add_dev(archive: Path, moment: int) -> None:
    folder = tarfile.TarInfo("./dev")
    folder.type, folder.mode, folder.mtime = tarfile.DIRTYPE, 0o755, moment
    folder.uname = folder.gname = "root"
    with tarfile.open(archive, "a") as tree:
        tree.addfile(folder)


def _note_digests(index: Path) -> str:
    """A hook that saves the archive's records of just the packages that were installed."""
    installed = "$(dpkg-query --admindir=\"$1/var/lib/dpkg\" -W -f '${Package}:${Architecture}=${Version} ')"
    return f'APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" apt-cache show {installed} >{shlex.quote(str(index))}'


def _failed(step: BootstrapDebian, finished: command.Finished) -> BuildError:
    for sign, (what, cure) in _SIGNS.items():
        if sign in finished.output:
            return BuildError(
                f"bootstrapping Debian {step.suite} failed: {what}", details=_errors_of(finished), resolution=cure
            )
    return BuildError(
        f"bootstrapping Debian {step.suite} failed (mmdebstrap ended with {finished.exit_code})",
        details=finished.tail(),
    )


def _errors_of(finished: command.Finished) -> str:
    """The lines that say what is wrong, without the hundreds that do not."""
    lines = [
        line for line in finished.output.splitlines() if line.startswith(("E:", "W: Failed", "Err:", "dpkg: error"))
    ]
    return "\n".join(dict.fromkeys(lines[-12:])) or finished.tail()
