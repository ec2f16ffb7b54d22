"""What mmdebstrap and apt are asked for, as argv: the whole command, and what of it a layer shares.

The packages beside the essential ones are installed by a hook, in the way that mmdebstrap itself has for it, so that
the same command does it on essential packages that were installed just now and on a cached layer.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from imagebuild.host.apt_sources import debian_mirrors
from imagebuild.plan.steps import BootstrapDebian
from imagebuild.rootfs import quick_initrd

ARCHITECTURES = {"x86_64": "amd64", "i386": "i386"}
# apt gives up on a mirror that is silent for so long; without it a dead mirror holds a build for minutes.
APT_TIMEOUT_SECONDS = 30
# Debian's mirrors for a suite that this machine's apt knows nothing of (another release, another distribution).
_MIRROR = "http://deb.debian.org/debian"
_SECURITY_MIRROR = "http://deb.debian.org/debian-security"
_SNAPSHOT = re.compile(r"(?P<archive>\S+/archive/)debian/(?P<date>\d{8}T\d{6}Z)/?")
# Releases whose security updates are called so (older ones: SUITE/updates), and those without any.
_WITH_POCKETS = ("bullseye", "bookworm", "trixie")
# mmdebstrap(1), VARIANTS: what is added to the essential packages, as apt's patterns (apt-patterns(7)).
_ADDED = {
    "essential": "",
    "required": "?priority(required)",
    "minbase": "?priority(required)",
    "important": "?or(?priority(required),?priority(important))",
    "standard": "?or(~prequired,~pimportant,~pstandard)",
}


def apt_sources(step: BootstrapDebian) -> tuple[str, ...]:
    """The one-line entries of apt's sources: the recipe's mirror, or this machine's own, or Debian's.

    Debian's are named here, too, not left to mmdebstrap: they describe the tree's moment, and they stand in its key.
    A snapshot of Debian's archive (https://snapshot.debian.org/) stays valid for ever, and its updates lie beside it.
    """
    if step.mirror is not None and (snapshot := _SNAPSHOT.fullmatch(step.mirror)):
        return tuple(_snapshot_sources(step, snapshot))
    if step.mirror is not None:
        return (f"deb {step.mirror} {step.suite} {' '.join(step.components)}",)
    more = " ".join(component for component in step.components if component != "main")
    lines = debian_mirrors(step.suite) or list(_debian_sources(step.suite))
    return tuple(f"{line} {more}".rstrip() for line in lines)


def _debian_sources(suite: str) -> Iterator[str]:
    yield f"deb {_MIRROR} {suite} main"
    if suite in _WITH_POCKETS:
        yield f"deb {_MIRROR} {suite}-updates main"
        yield f"deb {_SECURITY_MIRROR} {suite}-security main"


def _snapshot_sources(step: BootstrapDebian, snapshot: re.Match[str]) -> Iterator[str]:
    components = " ".join(step.components)
    yield f"deb [check-valid-until=no] {step.mirror} {step.suite} {components}"
    if step.suite in _WITH_POCKETS:
        security = f"{snapshot['archive']}debian-security/{snapshot['date']}"
        yield f"deb [check-valid-until=no] {step.mirror} {step.suite}-updates {components}"
        yield f"deb [check-valid-until=no] {security} {step.suite}-security {components}"


def bootstrap_argv(
    step: BootstrapDebian, apt_sources: tuple[str, ...], index: Path, tree: Path, pins: Path | None = None
) -> list[str]:
    """The whole command. What is in it makes the tree, so it is part of the tree's cache key (rootfs.resolve).

    `tree`: the new directory that the tree grows in. `pins`: a file of apt's preferences; it is read where it lies, and
    nothing of it is left in the tree.
    """
    ours = has_layer(step)
    added = beside_essential(step)
    return [
        "mmdebstrap", "--mode=root", f"--variant={'essential' if ours else step.variant}", "--format=directory",
        f"--architectures={ARCHITECTURES[step.architecture]}", f"--components={','.join(step.components)}",
        f"--aptopt=Acquire::http::Timeout \"{APT_TIMEOUT_SECONDS}\"",
        f"--aptopt=Acquire::https::Timeout \"{APT_TIMEOUT_SECONDS}\"",
        "--dpkgopt=force-unsafe-io",  # the tree is copied out in the end: fsync protects nothing
        *([f"--setup-hook={_take_preferences(pins)}"] if pins else []),
        f"--essential-hook={quick_initrd.HOOK_BEFORE}",
        *([f"--customize-hook={_install(added)}"] if ours and added else []),
        f"--customize-hook={quick_initrd.HOOK_REMAINING}",
        f"--customize-hook={quick_initrd.HOOK_AFTER}",
        f"--customize-hook={_note_digests(index)}",
        # what was asked of apt and dpkg for the bootstrap is not meant for the machine that the image becomes
        '--customize-hook=cd "$1/etc" && rm -f apt/apt.conf.d/99mmdebstrap dpkg/dpkg.cfg.d/99mmdebstrap',
        # mmdebstrap leaves this machine's own name and resolver in the tree
        '--customize-hook=cd "$1/etc" && rm -f resolv.conf hostname && echo localhost >hostname',
        *([f"--include={','.join(step.packages)}"] if step.packages and not ours else []),
        step.suite, str(tree), *apt_sources,
    ]  # fmt: skip


def pack(tree: Path, archive: Path) -> str:
    """Shell words that pack the tree as mmdebstrap packs one, but without its copying of the archive.

    No file is newer than SOURCE_DATE_EPOCH. Every kernel mounts devtmpfs over /dev, and an ordinary user's tree could
    not hold device nodes: it is not packed, and stands in the archive already, as an empty directory.
    """
    options = [
        "--sort=name", "--clamp-mtime", "--numeric-owner", "--one-file-system", "--format=pax",
        "--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime", "--exclude=./dev", "--xattrs",
    ]  # fmt: skip
    moment = '--mtime="@${SOURCE_DATE_EPOCH:-$(date +%s)}"'
    return f"tar {shlex.join(options)} {moment} -C {shlex.quote(str(tree))} -c . >>{shlex.quote(str(archive))}"


def has_layer(step: BootstrapDebian) -> bool:
    """Whether the essential packages are a layer of their own. mmdebstrap finds those of `apt` in another way."""
    return step.variant in _ADDED


def essential(step: BootstrapDebian) -> tuple[str, ...]:
    """What mmdebstrap installs first, as arguments of apt-get install."""
    return (_narrowed(step, "?essential"),)


def beside_essential(step: BootstrapDebian) -> tuple[str, ...]:
    """What comes on top of that, in mmdebstrap's order."""
    added = _ADDED.get(step.variant)
    return (*step.packages, *([_narrowed(step, f"?and({added},?not(?essential))")] if added else []))


def _narrowed(step: BootstrapDebian, pattern: str) -> str:
    suite = f"?or(?archive(^{step.suite}$),?codename(^{step.suite}$))"
    return f"?narrow({suite},?architecture({ARCHITECTURES[step.architecture]}),{pattern})"


def _install(packages: tuple[str, ...]) -> str:
    """A hook that does what mmdebstrap does (sub run_install): apt outside of the tree, dpkg inside."""
    return (
        'APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" TMPDIR="$1/tmp" apt-get -qq -o Dir::Bin::dpkg=env '
        "-o DPkg::Options::=--unset=TMPDIR -o DPkg::Options::=dpkg "
        '-o DPkg::Chroot-Directory="$1" -o DPkg::Use-Pty=false '
        f"--yes install {shlex.join(packages)} </dev/null"
    )


def _take_preferences(pins: Path) -> str:
    """A hook that makes apt read its preferences there (apt.conf(5), Dir::Etc::Preferences)."""
    line = shlex.quote(f'Dir::Etc::Preferences "{pins}";')
    return f'echo {line} >>"$MMDEBSTRAP_APT_CONFIG"'


def _note_digests(index: Path) -> str:
    """A hook that saves the archive's records of just the packages that were installed."""
    installed = "$(dpkg-query --admindir=\"$1/var/lib/dpkg\" -W -f '${Package}:${Architecture}=${Version} ')"
    return f'APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" apt-cache show {installed} >{shlex.quote(str(index))}'
