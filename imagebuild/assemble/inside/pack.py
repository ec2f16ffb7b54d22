"""A part of the tree as a tar archive that the appliance reads as a disk, straight through."""

from __future__ import annotations

import os
from pathlib import Path

from imagebuild.assemble.inside.privileged import Deferred, check_deferred
from imagebuild.host import command
from imagebuild.plan.disk_vocabulary import PackTree

_SECTOR_BYTES = 512


def pack_tree(step: PackTree, directory: Path, archive: Path, deferred: Deferred) -> None:
    """Everything that tar keeps; files with holes keep them. Raises BuildError."""
    check_deferred(step, deferred)
    argv = ["tar", "--create", f"--file={archive}", f"--directory={directory}", "--format=pax", "--sort=name"]
    argv += ["--numeric-owner", "--xattrs", "--xattrs-include=*", "--acls", "--sparse", "--blocking-factor=2048"]
    argv += ["--pax-option=delete=atime,delete=ctime"]
    command.run([*argv, "."], doing=f"packing {step.mountpoint}", log=print)


def fill_holes(path: Path, block_bytes: int = 4096) -> None:
    """Write the zeros of a file's holes, so that whatever copies it writes them too (`solid` files)."""
    before = path.stat()
    with path.open("r+b") as file:
        while block := file.read(block_bytes):
            if not any(block):
                file.seek(-len(block), os.SEEK_CUR)
                file.write(block)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
