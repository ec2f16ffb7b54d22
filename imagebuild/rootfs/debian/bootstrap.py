"""A Debian tree, bootstrapped with mmdebstrap in a namespace of its own."""

from __future__ import annotations

import platform
import shlex
import tarfile
from collections.abc import Iterable
from pathlib import Path

from imagebuild.errors import BuildError
from imagebuild.events import Progress
from imagebuild.host import command, namespace
from imagebuild.host.cache import Cache
from imagebuild.plan.steps import BootstrapDebian
from imagebuild.rootfs import quick_initrd
from imagebuild.rootfs.debian.apt_signs import explained
from imagebuild.rootfs.debian.argv import ARCHITECTURES, bootstrap_argv, pack
from imagebuild.rootfs.debian.release_date import newest_release
from imagebuild.rootfs.debian.reuse import Reuse, reuse_for
from imagebuild.rootfs.times import VARIABLE

# What a bootstrap needs at the same time: the tree and the packages (Debian 12 with a kernel: 0.9 GiB).
_BOOTSTRAP_BYTES = 2 * 2**30


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

    Raises BuildError with mmdebstrap's message, HostError when it is not installed.
    """
    command.require("mmdebstrap", "mmdebstrap")
    if step.architecture != platform.machine():
        command.require("arch-test", "arch-test")  # what mmdebstrap asks whether foreign programs run here
    moment = epoch if epoch is not None else newest_release(apt_sources)
    with namespace.workspace(cache.root / "work") as space:
        index = space.directory / "index"
        preferences = space.directory / "preferences"
        preferences.write_text(pins, encoding="utf-8")

        def run(reuse: Reuse) -> command.Finished:
            index.write_bytes(b"")
            archive.write_bytes(_device_member(moment or 0))
            tree = space.directory / "scratch" / reuse.notes.name
            argv = reuse.command(bootstrap_argv(step, apt_sources, index, tree, preferences if pins else None))
            return namespace.attempt_program(
                ["sh", "-c", f"{shlex.join(argv)} && {pack(tree, archive)}"],
                space,
                memory=namespace.fits_in_memory(_BOOTSTRAP_BYTES),
                environment={**quick_initrd.environment(), **({} if moment is None else {VARIABLE: str(moment)})},
                log=progress.log,
            )

        reuse = reuse_for(step, apt_sources, moment, cache, space.directory / "reuse", layers=True)
        finished = run(reuse)
        if finished.exit_code != 0 and reuse.stale():
            reuse = reuse_for(step, apt_sources, moment, cache, space.directory / "reuse-again", layers=False)
            finished = run(reuse)
        if finished.exit_code != 0:
            raise explain(f"bootstrapping {step.suite} failed", step, finished)
        reuse.store()
        return index.read_text(encoding="utf-8", errors="replace")


def _device_member(moment: int) -> bytes:
    """An archive's first member: without the directory /dev nothing can be mounted there."""
    directory = tarfile.TarInfo("./dev")
    directory.type, directory.mode, directory.mtime = tarfile.DIRTYPE, 0o755, moment
    directory.uname = directory.gname = "root"
    return directory.tobuf(tarfile.PAX_FORMAT)


def offered(
    step: BootstrapDebian, apt_sources: tuple[str, ...], names: Iterable[str], cache: Cache, progress: Progress
) -> str:
    """The archive's records of all versions of the packages (apt-cache(8), show); empty when it does not answer."""
    with namespace.workspace(cache.root / "work") as space:
        index, wanted = space.directory / "index", space.directory / "names"
        index.touch()
        wanted.write_text("\n".join(names), encoding="utf-8")
        show = f"xargs apt-cache show <{shlex.quote(str(wanted))} >{shlex.quote(str(index))} 2>/dev/null"
        argv = [
            "mmdebstrap", "--mode=root", "--variant=custom", "--format=null",
            f"--architectures={ARCHITECTURES[step.architecture]}",
            f'--customize-hook=export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"; {show} || true',
            step.suite, "-", *apt_sources,
        ]  # fmt: skip
        namespace.attempt_program(argv, space, memory=False, environment={}, log=progress.log)
        return index.read_text(encoding="utf-8", errors="replace")


def explain(what_failed: str, step: BootstrapDebian, finished: command.Finished) -> BuildError:
    """Why apt, or mmdebstrap with it, failed; where its output says so in a way that we know, with the cure."""
    if known := explained(finished.output, step.suite, step.mirror):
        what, cure = known
        return BuildError(f"{what_failed}: {what}", details=_errors_of(finished), resolution=cure)
    return BuildError(f"{what_failed} (exit code {finished.exit_code})", details=finished.tail())


def _errors_of(finished: command.Finished) -> str:
    """The lines that say what is wrong, without the hundreds that do not."""
    lines = [
        line for line in finished.output.splitlines() if line.startswith(("E:", "W: Failed", "Err:", "dpkg: error"))
    ]
    return "\n".join(dict.fromkeys(lines[-12:])) or finished.tail()
