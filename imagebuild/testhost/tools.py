"""Runs the programs of an unpacked Debian tree on this machine, without a chroot and without installing them.

The tree's own dynamic loader is the program that is run; it is told where the tree's libraries are (ld.so(8),
--library-path). So the programs meet the libraries that they were built for, whatever this machine has.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from imagebuild.testhost import stand_in

GRUB_SHELL = "usr/sbin/grub"
_XEN = "usr/lib/xen-4.17"
_XEN_LIBRARIES = f"{_XEN}/lib/x86_64-linux-gnu"


@dataclass(frozen=True, slots=True)
class Tools:
    """The tree at `root`. All methods only compose argument lists; nothing is run here."""

    root: Path

    def program(self, path: str, *, name: str | None = None) -> list[str]:
        """The argv that runs the x86_64 program at `path` (relative to the tree), as `name` if given (argv[0])."""
        folders = ("lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu", _XEN_LIBRARIES)
        libraries = ":".join(str(self.root / folder) for folder in folders)
        argv = [str(self.root / "lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"), "--library-path", libraries]
        return [*argv, *(["--argv0", name] if name else []), str(self.root / path)]

    def depmod(self) -> list[str]:
        """depmod of the tree's modules; add the kernel's version. It reads the tree's settings, not this machine's."""
        return [*self.program("bin/kmod", name="depmod"), "-b", str(self.root), "-C", str(self.root / "etc/depmod.d")]

    def grub_shell(self) -> list[str]:
        """GRUB 0.97's own shell; commands on stdin, `quit` as the last. It reads no device map.

        It opens an image for writing when it may. It mounts a filesystem without a partition table only from a
        floppy: say `device (fd0) IMAGE` and `root (fd0)` for an hd0 image, `device (hd0) IMAGE` for hd00
        (fsys_ext2fs.c, ext2fs_mount: a hard disk needs a partition of a known type).
        """
        libraries = f"{self.root / 'lib32'}:{self.root / 'usr/lib32'}"
        loader = str(self.root / "lib32/ld-linux.so.2")
        program = str(self.root / GRUB_SHELL)
        return [loader, "--library-path", libraries, program, "--batch", "--device-map=/dev/null"]

    def pygrub(self) -> tuple[list[str], dict[str, str]]:
        """Xen's pygrub and the environment that it needs; add options and the image.

        Without `-q` (or `-l`, which lists the entries) it wants a terminal.
        """
        environment = {
            "PYTHONHOME": str(self.root / "usr"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "XEN_FSIMAGE_FSDIR": str(self.root / _XEN_LIBRARIES / "xenfsimage"),
        }
        return [*self.program("usr/bin/python3.11"), str(self.root / _XEN / "bin/pygrub")], environment

    def grub_fstest(self) -> list[str]:
        """GRUB 2's filesystem readers as a program; add an image and a command (`ls`, `cat`, `crc` …)."""
        return self.program("usr/bin/grub-fstest")

    def grub_modules(self, platform: str = stand_in.PLATFORM) -> Path:
        """GRUB 2's modules for a platform, a Xen PV domain if none is named."""
        return self.root / "usr/lib/grub" / platform

    def grub_mkimage(self, platform: str = stand_in.PLATFORM) -> list[str]:
        """GRUB 2's image maker for a platform; add --memdisk, --output and the modules to build in."""
        prefix = f"(memdisk)/{stand_in.PREFIX}"
        options = ["--directory", str(self.grub_modules(platform)), "--format", platform, "--prefix", prefix]
        return [*self.program("usr/bin/grub-mkimage"), *options]
