"""Generates initrds inside the tree with the distribution's own tool.

Its choice of modules is extended, never replaced, and where the tool has a file for that, the file is written: so the
initrd of the next kernel, installed when the image runs, holds the modules as well. How each tool is told and called
stands in families/.

Run here so far: initramfs-tools and dracut of Debian 12. The mkinitrds of RHEL 5 and SUSE are driven by their manuals.
"""

from __future__ import annotations

from pathlib import Path

from imagebuild.errors import BuildError
from imagebuild.families.table import INITRD_TOOLS
from imagebuild.host import command
from imagebuild.plan.steps import GenerateInitrd, WriteFile
from imagebuild.rootfs import quick_initrd

DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
# Without network, even where the job has it for a script.
_INSIDE = ("unshare", "--net", "chroot")


def tool_configuration(step: GenerateInitrd, tree: Path) -> WriteFile:
    """The file that tells the tool, for good, which modules the image needs."""
    tool = INITRD_TOOLS[step.tool]
    before = _text(tree, tool.configuration_path)
    return WriteFile(path=tool.configuration_path, content=tool.configure(step, before))


def generate_initrd(tree: Path, step: GenerateInitrd) -> None:
    """Run the tool inside the tree (its configuration is written already). Raises BuildError."""
    mount_for_tools(tree)
    with quick_initrd.fewer_processes(tree):
        command.run(
            [*_INSIDE, str(tree), *INITRD_TOOLS[step.tool].argv(step)],
            doing=f"generating {step.path}", environment=quick_initrd.environment(), log=print,
        )  # fmt: skip
    if not (tree / step.path.lstrip("/")).is_file():
        raise BuildError(f"generating {step.path} failed: {step.tool} succeeded, but did not write the file")


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


def mount_for_tools(tree: Path) -> None:
    """/proc and a few devices, in our private mount namespace only. Device nodes cannot be made there, so bind them."""
    for name in ("proc", "dev", "run", "tmp"):
        real_directory(tree, name)  # before anything is looked for in one: a link would lead to the machine's own
    if (tree / "proc/self").exists():
        return
    command.run(["mount", "-t", "proc", "proc", str(tree / "proc")], doing="mounting /proc in the tree")
    command.run(["mount", "-t", "tmpfs", "-o", "mode=755", "dev", str(tree / "dev")], doing="mounting /dev in the tree")
    for device in DEVICES:
        (tree / "dev" / device).touch()
        command.run(["mount", "--bind", f"/dev/{device}", str(tree / "dev" / device)], doing=f"binding /dev/{device}")
    (tree / "dev/fd").symlink_to("/proc/self/fd")


def unmount_tools(tree: Path) -> None:
    """Undo `mount_for_tools`, so that the tree's own files populate the filesystems."""
    if not (tree / "proc").is_symlink() and (tree / "proc/self").exists():
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
