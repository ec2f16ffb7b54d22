"""Generates initrds inside the tree with the distribution's own tool.

Its choice of modules is extended, never replaced, and where the tool has a file for that, the file is written: so the
initrd of the next kernel, installed when the image runs, holds the modules as well.

Run here so far: initramfs-tools and dracut of Debian 12. The mkinitrds of RHEL 5 and SUSE are driven by their manuals.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import assert_never

from imagebuild.errors import BuildError
from imagebuild.host import command
from imagebuild.plan.steps import GenerateInitrd, WriteFile
from imagebuild.rootfs import quick_initrd

INITRAMFS_MODULES = "/etc/initramfs-tools/modules"
DRACUT_CONF = "/etc/dracut.conf.d/99-imagebuild.conf"
MODPROBE_CONF = "/etc/modprobe.conf"
SYSCONFIG_KERNEL = "/etc/sysconfig/kernel"
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
# Without network, even where the job has it for a script.
_INSIDE = ("unshare", "--net", "chroot")
# RHEL 5's mkinitrd loads these before it looks for disks.
_DISK_DRIVERS = ("xenblk", "xen-blkfront", "virtio_blk", "virtio_pci")


def tool_configuration(step: GenerateInitrd, tree: Path) -> WriteFile:
    """The file that tells the tool, for good, which modules the image needs."""
    match step.tool:
        case "initramfs-tools":
            before = _text(tree, INITRAMFS_MODULES)
            more = [name for name in step.modules if name not in before.split()]
            lines = "".join(f"{name}\n" for name in more)
            return WriteFile(
                path=INITRAMFS_MODULES,
                content=before + (f"# what the image's root needs (imagebuild)\n{lines}" if more else ""),
            )
        case "dracut":
            lvm = 'add_dracutmodules+=" lvm "\n' if step.lvm else ""
            return WriteFile(
                path=DRACUT_CONF,
                content="# what the image's root needs (imagebuild)\n"
                f'hostonly="no"\nadd_drivers+=" {" ".join(step.modules)} "\n{lvm}',
            )
        case "mkinitrd-redhat":
            before = _text(tree, MODPROBE_CONF)
            drivers = [name for name in step.modules if name in _DISK_DRIVERS]
            aliases = [f"alias scsi_hostadapter{number or ''} {name}" for number, name in enumerate(drivers)]
            others = [line for line in before.splitlines() if not line.startswith("alias scsi_hostadapter")]
            return WriteFile(path=MODPROBE_CONF, content="\n".join([*others, *aliases]) + "\n")
        case "mkinitrd-suse":
            return WriteFile(
                path=SYSCONFIG_KERNEL, content=_with_initrd_modules(_text(tree, SYSCONFIG_KERNEL), step.modules)
            )
        case _:
            assert_never(step.tool)


def tool_command(step: GenerateInitrd) -> list[str]:
    """The tool's argv, to be run in the tree."""
    match step.tool:
        case "initramfs-tools":
            return ["mkinitramfs", "-o", step.path, step.kernel_version]
        case "dracut":
            # The rest is in its configuration: dracut 004 (RHEL 6) knows fewer options than today's.
            return ["dracut", "--force", step.path, step.kernel_version]
        case "mkinitrd-redhat":
            argv = ["mkinitrd", "-f", *(["--force-lvm-probe"] if step.lvm else [])]
            argv += [f"--{'preload' if name in _DISK_DRIVERS else 'with'}={name}" for name in step.modules]
            return [*argv, step.path, step.kernel_version]
        case "mkinitrd-suse":
            names = [PurePosixPath(path).name for path in (step.kernel, step.path)]
            argv = ["mkinitrd", "-k", names[0], "-i", names[1], "-m", " ".join(step.modules), "-B"]
            return [*argv, *(["-f", "lvm2"] if step.lvm else [])]
        case _:
            assert_never(step.tool)


def generate_initrd(tree: Path, step: GenerateInitrd) -> None:
    """Run the tool inside the tree (its configuration is written already). Raises BuildError."""
    mount_for_tools(tree)
    with quick_initrd.fewer_processes(tree):
        command.run(
            [*_INSIDE, str(tree), *tool_command(step)],
            doing=f"generating {step.path}", environment=quick_initrd.environment(), log=print,
        )  # fmt: skip
    if not (tree / step.path.lstrip("/")).is_file():
        raise BuildError(f"generating {step.path} failed: {step.tool} succeeded, but made no such file")


def run_depmod(tree: Path, kernel_version: str) -> None:
    """Let the tree's own depmod index a kernel's modules. Raises BuildError when it has none."""
    if not any((tree / directory / "depmod").is_file() for directory in ("sbin", "usr/sbin", "bin", "usr/bin")):
        raise BuildError(
            f"boot.kernels: the modules of {kernel_version} cannot be indexed: the tree has no depmod",
            resolution="install kmod in the tree (older releases: module-init-tools)",
        )
    mount_for_tools(tree)
    command.run([*_INSIDE, str(tree), "depmod", kernel_version], doing=f"running depmod {kernel_version}", log=print)


def _text(tree: Path, path: str) -> str:
    """A file's text, or nothing: a link is not followed, it might lead out of the tree."""
    file = tree / path.lstrip("/")
    parents = [parent for parent in file.parents if parent != tree and tree in parent.parents]
    if any(part.is_symlink() for part in (file, *parents)) or not file.is_file():
        return ""
    return file.read_text(encoding="utf-8", errors="replace")


def _with_initrd_modules(text: str, modules: tuple[str, ...]) -> str:
    """SUSE's INITRD_MODULES="…", with these added."""
    found = re.search(r'^INITRD_MODULES="([^"]*)"', text, re.M)
    names = found[1].split() if found else []
    line = f'INITRD_MODULES="{" ".join([*names, *(name for name in modules if name not in names)])}"'
    return text[: found.start()] + line + text[found.end() :] if found else f"{text}{line}\n"


def mount_for_tools(tree: Path) -> None:
    """/proc and a few devices, in our private mount namespace only. Device nodes cannot be made there, so bind them."""
    if (tree / "proc/self").exists():
        return
    for name in ("proc", "dev", "run", "tmp"):
        real_directory(tree, name)
    command.run(["mount", "-t", "proc", "proc", str(tree / "proc")], doing="mounting /proc in the tree")
    command.run(["mount", "-t", "tmpfs", "-o", "mode=755", "dev", str(tree / "dev")], doing="mounting /dev in the tree")
    for device in DEVICES:
        (tree / "dev" / device).touch()
        command.run(["mount", "--bind", f"/dev/{device}", str(tree / "dev" / device)], doing=f"binding /dev/{device}")
    (tree / "dev/fd").symlink_to("/proc/self/fd")


def unmount_tools(tree: Path) -> None:
    """Undo `mount_for_tools`, so that the tree's own files populate the filesystems."""
    if (tree / "proc/self").exists():
        command.run(["umount", str(tree / "proc")], doing="unmounting /proc of the tree")
        for device in DEVICES:
            command.run(["umount", str(tree / "dev" / device)], doing=f"unmounting /dev/{device} of the tree")
        command.run(["umount", str(tree / "dev")], doing="unmounting /dev of the tree")


def real_directory(tree: Path, name: str) -> Path:
    """The tree's own directory of that name, made if need be. Raises BuildError where something else is there."""
    directory = tree / name
    if directory.is_symlink() or (directory.exists() and not directory.is_dir()):
        raise BuildError(
            f"/{name} of the tree is not a directory",
            resolution="a root tree has /proc, /dev, /run and /tmp as directories",
        )
    directory.mkdir(exist_ok=True)
    return directory
