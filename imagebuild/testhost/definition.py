"""What the Xen test host is made of, as data; a digest of all of it names the cache entry."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from importlib import resources

from imagebuild.bootloaders.pv_grub import MENU_PLACES
from imagebuild.filesystems.table import FILESYSTEMS
from imagebuild.vocabulary import Layout

# The suite, and each of its pockets with the mirror that serves it (a mirror of the machine's own apt goes before,
# where that has the pocket). Nothing else is taken, whatever more the machine's apt has: verdicts must not depend on
# the machine. When Debian has moved the suite to its archive: write http://archive.debian.org/debian and
# http://archive.debian.org/debian-security here. For another suite, mind the names with versions further down, and
# those in tools.py: Xen's and Python's.
SUITE = "bookworm"
POCKETS = (
    (SUITE, "http://deb.debian.org/debian"),
    (f"{SUITE}-updates", "http://deb.debian.org/debian"),
    (f"{SUITE}-security", "http://deb.debian.org/debian-security"),
)
# Debian packages; those they depend on come along. Nothing is installed or configured, only unpacked.
PACKAGES = (
    "busybox-static",  # dom0's shell
    "grub-common",  # grub-fstest, grub-mkimage
    "grub-legacy",  # GRUB 0.97's own shell, an i386 program
    "grub-xen-bin",  # GRUB 2's modules for a Xen PV domain
    "kmod",  # depmod
    "lib32ncurses6",  # for grub-legacy
    "libc6",
    "libc6-i386",  # for grub-legacy
    "linux-image-amd64",  # dom0's kernel; the cloud flavour cannot be a dom0
    "python3-minimal",  # for Xen's tools
    "xen-hypervisor-4.17-amd64",
    "xen-utils-4.17",  # xl and the other tools
    "xenstore-utils",
)
# Left out while unpacking: some 200 MB that nobody reads.
EXCLUDED_PATHS = (
    "/dev/*",
    "/usr/share/doc/*",
    "/usr/share/locale/*",
    "/usr/share/man/*",
    "/lib/modules/*/kernel/drivers/gpu/*",
    "/lib/modules/*/kernel/drivers/media/*",
    "/lib/modules/*/kernel/drivers/net/*",
    "/lib/modules/*/kernel/sound/*",
)
# Removed from the tools' tree once dom0's files are taken out of it. dev, etc and var hold what is not a package's own:
# mmdebstrap makes device nodes, and copies the machine's resolv.conf and hostname.
PRUNED = (
    "boot", "dev", "etc", "home", "lib/modules", "lib/systemd", "lib/udev", "media", "mnt", "opt", "proc", "root",
    "run", "srv", "sys", "tmp", "usr/lib/grub/i386-xen", "usr/local", "usr/share", "var",
)  # fmt: skip
# dom0's drivers, with what depmod says they need.
MODULES = (
    "virtio_pci", "virtio_blk", "virtio_scsi", "sd_mod", "loop",
    "xen-evtchn", "xen-gntdev", "xen-gntalloc", "xen-privcmd", "xenfs", "xen-blkback",
)  # fmt: skip
BUSYBOX_NAMES = ("sh", "cat", "date", "echo", "insmod", "ln", "losetup", "mkdir", "mount", "sleep", "stat", "tar")
# Programs of dom0, relative to the tree; each goes into /bin with the libraries it needs in /lib.
PROGRAMS = (
    "usr/lib/xen-4.17/bin/xl",
    "usr/lib/xen-4.17/bin/xenstored",
    "usr/lib/xen-4.17/bin/xenconsoled",
    "usr/lib/xen-4.17/bin/xen-init-dom0",
    "usr/bin/xenstore-read",
    "usr/bin/xenstore-write",
)
# xl finds xenconsole in Xen's private folder, by its compiled-in path.
CONSOLE_CLIENT = "usr/lib/xen-4.17/bin/xenconsole"
# Libraries that no program asks for at its start: the C library loads this one to end a thread.
LATE_LIBRARIES = ("lib/x86_64-linux-gnu/libgcc_s.so.1",)
DOM0_MEMORY_MIB = 256
XEN_COMMAND_LINE = (
    f"dom0_mem={DOM0_MEMORY_MIB}M,max:{DOM0_MEMORY_MIB}M dom0_max_vcpus=1 com1=115200,8n1 console=com1 noreboot"
)
# quiet: dom0's own messages would look like the guest's. The rest spares dom0 work that a test machine can do without.
# Not nohz=off (a dom0 that ticks while it idles): the guest's way to its login gained nothing in one pair of boots, and
# took half as much processor time again in the other.
DOM0_COMMAND_LINE = "console=hvc0 quiet loglevel=1 rdinit=/init mitigations=off init_on_alloc=0 psi=0"
XL_CONFIGURATION = 'autoballoon="off"\n'
LOADER_MODULES = tuple(sorted({
    "configfile", "echo", "gzio", "halt", "legacycfg", "linux", "loopback", "ls", "lvm", "lzopio", "normal",
    "part_gpt", "part_msdos", "sleep", "test", "xzio",
    *(filesystem.grub2_module for filesystem in FILESYSTEMS.values() if filesystem.grub2_module),
}))  # fmt: skip
# In GRUB 2's words (partitions count from 1).
ROOTS: dict[Layout, str] = {"hd0": "hd0", "hd00": "hd0,1"}
# Where the two kinds of PV-GRUB look, on the disk or on its first partition.
MENUS: dict[Layout, tuple[str, ...]] = {
    layout: tuple(f"({root}){at.path}" for at in MENU_PLACES if at.layout == layout and at.is_first)
    for layout, root in ROOTS.items()
}
_DATA_FILES = ("dom0-init.sh", "dom0-block.sh", "stand-in.cfg")
# Raise when build.py makes other files out of the same definition. 2: dom0 has the loader of its own libraries; 3: the
# stand-in holds no moment.
_FORMAT = 3


def archive_lines(mirrors: Mapping[str, str]) -> list[str]:
    """apt's lines for the packages; `mirrors` are the machine's own, by pocket, for those that it has."""
    return [f"deb {mirrors.get(pocket, mirror)} {pocket} main" for pocket, mirror in POCKETS]


def data(name: str) -> str:
    """The text of one of this package's data files."""
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def loader_configuration(layout: Layout) -> str:
    """The stand-in's embedded grub.cfg."""
    template = data("stand-in.cfg")
    return template.replace("@MENUS@", " ".join(MENUS[layout])).replace("@ROOT@", ROOTS[layout])


def digest() -> str:
    """The name of the cache entry: changes with anything above, and with the data files."""
    parts = [
        _FORMAT, SUITE, [pocket for pocket, _mirror in POCKETS], PACKAGES,
        EXCLUDED_PATHS, PRUNED, MODULES, BUSYBOX_NAMES, PROGRAMS, CONSOLE_CLIENT,
        LATE_LIBRARIES, XEN_COMMAND_LINE, DOM0_COMMAND_LINE, XL_CONFIGURATION, LOADER_MODULES, MENUS, ROOTS,
        *(data(name) for name in _DATA_FILES),
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
