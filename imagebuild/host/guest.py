"""The one door to guestfs: libguestfs' appliance, a small Linux under QEMU that makes what only a kernel can make.

The binding comes from the distribution (Debian: python3-guestfs). It raises only RuntimeError, translated here.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from imagebuild.errors import BuildError, HostError
from imagebuild.filesystems import table as filesystems
from imagebuild.host import command
from imagebuild.host.cache import default_root
from imagebuild.host.cache_kinds import FileKind
from imagebuild.host.scratch import scratch_folder
from imagebuild.vocabulary import Accelerator

# The filesystems that imagebuild makes or reads through the appliance, and the Debian package that brings each.
FILESYSTEMS: dict[str, str] = {
    item.name: item.appliance_package for item in filesystems.FILESYSTEMS.values() if item.appliance_package
}
# QEMU's emulator carries `rep movsb` out byte by byte, and a kernel that sees "erms" copies with nothing else: without
# it, data moves two to three times as fast (tried: reading a disk took 7.1 s of processor time, now 2.6 s). The others
# make each entry into its kernel dearer, and guard a machine that runs for seconds and sees nobody else's code.
_EMULATED_CPU = "max,la57=off,-erms,-fsrm,-smap,-smep,-pku,-umip"
_EMULATED_APPEND = "mitigations=off"
_QEMU = "qemu-system-x86_64"
# libguestfs asks for 1280 MiB by default; volume groups and copies between devices need much less.
_MEMORY_MIB = 768
SUPERMIN: FileKind = "supermin"
_LEAST_FREE_BYTES = 2**20
_NEEDS = "install the Debian packages python3-guestfs and linux-image-amd64 (or run: make setup)"


@dataclass(frozen=True, slots=True)
class Drive:
    """One disk of the appliance. libguestfs' own calls know them in order as /dev/sda, /dev/sdb, …

    `name` (letters only): for `Guest.device`, the way to name it in commands of the appliance.
    """

    path: Path
    readonly: bool = False
    format: Literal["raw", "qcow2", "vmdk"] = "raw"
    name: str | None = None


def binding_remedy(prefix: Path | None = None) -> str:
    """What to do where guestfs cannot be imported. It comes with the distribution, for the distribution's Python: a
    virtual environment sees it only when it was made so (venv, --system-site-packages). `prefix`: the environment's.
    """
    prefix = prefix or Path(sys.prefix)
    try:
        settings = (prefix / "pyvenv.cfg").read_text(encoding="utf-8")
    except OSError:
        return _NEEDS
    if re.search(r"^include-system-site-packages\s*=\s*true\s*$", settings, re.MULTILINE | re.IGNORECASE):
        return _NEEDS
    return (
        f"{_NEEDS}; and let this virtual environment see them: set include-system-site-packages = true in "
        f"{prefix}/pyvenv.cfg, or make it again with /usr/bin/python3 -m venv --system-site-packages (pipx: "
        "--system-site-packages)"
    )


def load_binding() -> Any:
    """The module guestfs. Raises HostError where the distribution's package is missing."""
    try:
        import guestfs
    except ImportError as error:
        raise HostError(
            "guestfs, libguestfs' Python binding, cannot be imported", details=str(error), resolution=binding_remedy()
        ) from error
    return guestfs


class Guest:
    """A launched appliance. Methods raise BuildError with what libguestfs and the tool inside said."""

    def __init__(self, handle: Any, log: command.Sink) -> None:
        self._handle = handle
        self._log = log
        self._devices: dict[str, str] = {}

    def call(self, name: str, *arguments: Any, **options: Any) -> Any:
        """One call of libguestfs' API by its name (guestfs(3)). Raises BuildError."""
        call = " ".join([*map(str, arguments), *(f"{key}={value}" for key, value in options.items())])
        self._log(f"guestfs: {name} {call}".rstrip())
        try:
            return getattr(self._handle, name)(*arguments, **options)
        except RuntimeError as error:
            raise BuildError(f"{name} failed in the appliance", details=f"{name} {call}\n{error}") from error

    def shell(self, *argv: str) -> str:
        """A command inside the appliance itself, for what the API does not offer (guestfs_debug(3), "sh").

        /dev/sda is there whatever its kernel found first, which need not be our first disk: see `device`.
        """
        return str(self.call("debug", "sh", [shlex.quote(word) for word in argv]))

    def device(self, name: str) -> str:
        """The disk with that name, or with a number behind it one of its partitions, as every command knows it."""
        if name not in self._devices:
            self._devices[name] = self.shell("readlink", "-f", f"/dev/disk/guestfs/{name}").strip()
        return self._devices[name]


@contextlib.contextmanager
def appliance(drives: Sequence[Drive], *, acceleration: Accelerator, log: command.Sink) -> Iterator[Guest]:
    """Launch the appliance with these disks; shut it down, with write errors reported, at the block's end.

    Raises HostError when it cannot be launched, BuildError when the disks or a full TMPDIR are to blame for that, and
    when the last writes failed.
    """
    guestfs = load_binding()
    handle = guestfs.GuestFS(python_return_dict=True)
    with contextlib.ExitStack() as stack:
        scratch = stack.enter_context(scratch_folder())
        stack.callback(handle.close)
        _configure(handle, acceleration, scratch)
        for drive in drives:
            # "unsafe" leaves out every fsync of the appliance; `shutdown` still writes everything to the file.
            options: dict[str, Any] = {"readonly": True} if drive.readonly else {"cachemode": "unsafe"}
            if drive.name:
                options["label"] = drive.name
            try:
                handle.add_drive_opts(str(drive.path), format=drive.format, **options)
            except RuntimeError as error:  # a read-only one gets an overlay, made by qemu-img
                raise _full(error, scratch) or _refused([drive], error) from error
        if not drives:
            handle.add_drive_scratch(2**20)  # libguestfs wants at least one
        try:
            handle.launch()
        except RuntimeError as error:
            raise _not_started(error, drives, acceleration, scratch) from error
        yield Guest(handle, log)
        try:
            handle.shutdown()  # before close, or write errors are lost
        except RuntimeError as error:
            raise BuildError("the appliance did not stop cleanly", details=str(error)) from error


def _not_started(
    error: RuntimeError, drives: Sequence[Drive], acceleration: Accelerator, scratch: Path
) -> HostError | BuildError:
    """Who is to blame. libguestfs says the same of a full disk, of a disk that QEMU refuses and of its own parts: what
    starts without the disks lacks nothing."""
    if full := _full(error, scratch):
        return full
    if drives:
        with contextlib.suppress(HostError), appliance([], acceleration=acceleration, log=lambda _line: None):
            return _refused(drives, error)
    return HostError(
        "libguestfs' appliance does not start",
        details=str(error),
        resolution=f"run libguestfs-test-tool; {_NEEDS}",
    )


def _full(error: RuntimeError, scratch: Path) -> BuildError | None:
    free_bytes = min(shutil.disk_usage(place).free for place in (scratch, appliance_cache()))
    if "No space left" not in str(error) and free_bytes >= _LEAST_FREE_BYTES:
        return None
    return BuildError(
        f"no space left on the filesystem: the appliance needs some in {scratch.parent} and {appliance_cache()}",
        details=str(error),
        resolution="free some space, or choose other places with TMPDIR and IMAGEBUILD_CACHE",
    )


def _refused(drives: Sequence[Drive], error: RuntimeError) -> BuildError:
    return BuildError(
        f"the appliance cannot open {', '.join(str(drive.path) for drive in drives)}",
        details=str(error),
        resolution="see whether `qemu-img check` finds the image sound",
    )


def appliance_cache() -> Path:
    """Where libguestfs keeps its appliance (some 700 MB): in our cache, not among everybody's temporary files."""
    directory = default_root() / SUPERMIN
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    return directory


def _configure(handle: Any, acceleration: Accelerator, scratch: Path) -> None:
    handle.set_backend("direct")
    handle.set_cachedir(str(appliance_cache()))
    handle.set_tmpdir(str(scratch))  # its overlays of read-only disks
    if acceleration == "tcg":
        handle.set_backend_setting("force_tcg", "1")
        handle.set_append(_EMULATED_APPEND)
        if qemu := command.find(_QEMU):
            handle.set_hv(str(_with_other_cpu(qemu, scratch)))
    handle.set_memsize(_MEMORY_MIB)
    handle.set_autosync(True)


def _with_other_cpu(qemu: Path, directory: Path) -> Path:
    """A program for libguestfs to start in QEMU's place, which only exchanges the processor's model.

    libguestfs remembers what it has found out about a QEMU by the file's size and time: the time is QEMU's own.
    """
    script = directory / "appliance-qemu"
    script.write_text(
        "#!/bin/sh\n"
        f'for word; do shift; case $word in max|max,*) word={_EMULATED_CPU};; esac; set -- "$@" "$word"; done\n'
        f'exec {shlex.quote(str(qemu))} "$@"\n',
        encoding="utf-8",
    )
    script.chmod(0o755)
    status = qemu.stat()
    os.utime(script, ns=(status.st_atime_ns, status.st_mtime_ns))
    return script


def appliance_filesystems(acceleration: Accelerator = "tcg") -> dict[str, bool]:
    """Which filesystems the appliance can both make and mount, by asking it. Raises HostError."""
    with appliance([], acceleration=acceleration, log=lambda _line: None) as guest:
        return {name: bool(guest.call("filesystem_available", name)) for name in FILESYSTEMS}
