"""Generates initrds inside the tree with the distribution's own tool.

Its choice of modules is extended, never replaced, and where the tool has a file for that, the file is written: so the
initrd of the next kernel, installed when the image runs, holds the modules as well. How each tool is told and called
stands in families/.

Run here so far: initramfs-tools and dracut of Debian 12. The mkinitrds of RHEL 5 and SUSE are driven by their manuals.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from imagebuild.assemble.inside.in_tree import in_tree
from imagebuild.assemble.inside.mountpoints import make_mountpoints
from imagebuild.errors import BuildError
from imagebuild.families.table import INITRD_TOOLS
from imagebuild.host import command
from imagebuild.host.fence.door import run
from imagebuild.host.fence.request import Limits, Program
from imagebuild.plan.steps import GenerateInitrd, WriteFile
from imagebuild.rootfs import quick_initrd


def tool_configuration(step: GenerateInitrd, tree: Path) -> WriteFile:
    """The file that tells the tool, for good, which modules the image needs."""
    tool = INITRD_TOOLS[step.tool]
    before = _text(tree, tool.configuration_path)
    return WriteFile(path=tool.configuration_path, content=tool.configure(step, before))


def generate_initrd(tree: Path, step: GenerateInitrd, limits: Limits) -> None:
    """Run the tool inside the tree (its configuration is written already). Raises BuildError."""
    lent = quick_initrd.lend(tree)
    argv = INITRD_TOOLS[step.tool].argv(step)
    _run(tree, argv, f"generating {step.path}", limits, quick_initrd.environment())
    if lent is not None:
        in_tree(tree, "taking back what the initrd's tool was lent", partial(quick_initrd.take_back, Path("/"), lent))
    in_tree(tree, f"generating {step.path}", partial(_check_made, step))


def _check_made(step: GenerateInitrd) -> None:
    if not Path(step.path).is_file():
        raise BuildError(f"generating {step.path} failed: {step.tool} succeeded, but did not write the file")


def run_depmod(tree: Path, kernel_version: str, limits: Limits) -> None:
    """Let the tree's own depmod index a kernel's modules. Raises BuildError when it has none."""
    if not any((tree / directory / "depmod").is_file() for directory in ("sbin", "usr/sbin", "bin", "usr/bin")):
        raise BuildError(
            f"boot.kernels: the modules of {kernel_version} cannot be indexed: the tree has no depmod",
            resolution="install kmod in the tree (older releases: module-init-tools)",
        )
    _run(tree, ["depmod", kernel_version], f"running depmod {kernel_version}", limits)


def _run(tree: Path, argv: list[str], doing: str, limits: Limits, environment: Mapping[str, str] | None = None) -> None:
    """Behind the fence, without network, even where the job has it for a script. Raises BuildError."""
    make_mountpoints(tree)
    log: command.Sink = print
    log(f"in the tree: {' '.join(argv)}")
    moment = {name: os.environ[name] for name in ("SOURCE_DATE_EPOCH",) if name in os.environ}
    ended = run(Program(tree=tree, argv=tuple(argv), environment={**moment, **(environment or {})}, limits=limits), log)
    if not ended.well:
        raise BuildError(f"{doing} failed: {argv[0]} {ended.how}", details=ended.tail(), resolution=ended.resolution)


def _text(tree: Path, path: str) -> str:
    """A file's text, or nothing: a link is not followed, it might lead out of the tree."""
    file = tree / path.lstrip("/")
    parents = [parent for parent in file.parents if parent != tree and tree in parent.parents]
    if any(part.is_symlink() for part in (file, *parents)) or not file.is_file():
        return ""
    return file.read_text(encoding="utf-8", errors="replace")
