"""ext2, ext3 and ext4 made in user space: mke2fs fills the filesystem from a directory, straight into the image.

GRUB 0.97 cannot read a hole behind an extent (Error 16, or the next block in its place, in silence: seen on the genuine
PV-GRUB), and `mke2fs -d` makes a hole of every block of zeros. So the files that a loader reads get a mark in each
such block before, and exactly those marks are zeroed in the image afterwards: the blocks stay allocated.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from imagebuild.assemble.inside.debugfs import quoted, within
from imagebuild.errors import BuildError
from imagebuild.host import command
from imagebuild.plan.disk_vocabulary import MakeExt
from imagebuild.rootfs import times

_MARK = b"\xff"
SETTINGS = Path(__file__).with_name("mke2fs.cfg")
_NO_SPACE = "No space left on device"


def make_ext(step: MakeExt, directory: Path, target: Path, epoch: int) -> None:
    """Make the filesystem in `target` (at the step's offset) from `directory`, as of the moment `epoch`.

    Raises BuildError.
    """
    offset = step.region.offset_bytes if step.region else 0
    marked = {path: mark_zero_blocks(inside(step.mountpoint, directory, path), step.block_bytes) for path in step.solid}
    argv = [
        "mke2fs",
        "-q",
        "-F",
        "-t",
        step.type,
        "-b",
        str(step.block_bytes),
        "-I",
        str(step.inode_bytes),
        "-N",
        str(step.inodes),
    ]
    argv += ["-O", ",".join(step.features), "-U", step.uuid, *(["-L", step.label] if step.label else [])]
    argv += _options(step, f"offset={offset},hash_seed={step.uuid},root_owner=0:0")
    argv += ["-d", str(directory), str(target)]
    argv += [str(step.size_bytes // step.block_bytes)]
    environment = {**times.fake_time(epoch), "MKE2FS_CONFIG": str(SETTINGS)}
    finished = command.attempt(argv, environment=environment, log=print)
    if finished.exit_code != 0 or "while" in finished.output:
        _raise(step, finished.output)
    for path, blocks in marked.items():
        unmark(step, path, blocks, target, offset)
    times.set_change_times(target, offset, times.used_inodes(target, offset), epoch)


def _options(step: MakeExt, extended: str) -> list[str]:
    """The plan's options, with ours among its extended ones: mke2fs heeds the last -E only."""
    pairs = dict(zip(step.options[::2], step.options[1::2], strict=True))
    pairs["-E"] = ",".join(filter(None, (extended, pairs.get("-E", ""))))
    return [word for pair in pairs.items() for word in pair]


def _raise(step: MakeExt, output: str) -> None:
    if _NO_SPACE in output or "Could not allocate block" in output:
        what, cure = "there is no space left", "free some space, or use other directories: -o and IMAGEBUILD_CACHE"
        if "allocate" in output:
            what, cure = f"{step.mountpoint} does not fit into its {step.type}", "make it larger, or leave sizes out"
        raise BuildError(f"making {step.type} for {step.mountpoint} failed: {what}", details=output, resolution=cure)
    raise BuildError(f"making {step.type} for {step.mountpoint} failed", details=output)


def inside(mountpoint: str, directory: Path, path: str) -> Path:
    """Where a file of the image lies in the filesystem's directory; links are resolved inside the directory only."""
    relative = path.removeprefix(mountpoint).lstrip("/") if mountpoint != "/" else path.lstrip("/")
    for _hop in range(40):
        found = directory
        rest = relative.split("/")
        while rest:
            found = found / rest.pop(0)
            if found.is_symlink():
                target = str(found.readlink())
                base = "" if target.startswith("/") else str(found.parent.relative_to(directory)) + "/"
                relative = os.path.normpath("/" + base + target.lstrip("/") + "/" + "/".join(rest)).lstrip("/")
                break
        else:
            return found
    raise BuildError(f"{path} is a loop of symbolic links")


def mark_zero_blocks(path: Path, block_bytes: int) -> list[int]:
    """Put a mark into each block of zeros; returns their numbers in the file."""
    try:
        before = path.stat()
        with path.open("r+b") as file:
            zeros = []
            number = 0
            while block := file.read(block_bytes):
                if not any(block):
                    zeros.append(number)
                number += 1
            for number in zeros:
                file.seek(number * block_bytes)
                file.write(_MARK)
    except OSError as error:
        raise BuildError(f"{path.name}: the boot loader would read it, but: {error.strerror}") from error
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    return zeros


def unmark(step: MakeExt, path: str, blocks: Sequence[int], target: Path, offset: int) -> None:
    """Zero the marks in the finished filesystem. Raises BuildError when they are not where debugfs says."""
    if not blocks:
        return
    script = "".join(f"bmap {quoted(within(step, path))} {number}\n" for number in blocks)
    output = command.run(
        ["debugfs", "-f", "-", f"{target}?offset={offset}"], doing=f"finding the blocks of {path}", stdin=script
    )
    # debugfs echoes each command after its prompt; the answers are the lines that are a number alone.
    physical = [int(line) for line in output.splitlines() if line.strip().isdigit()]
    if len(physical) != len(blocks) or 0 in physical:
        raise BuildError(f"{path}: {len(blocks)} blocks should be in the image, {len(physical)} are there")
    with target.open("r+b") as image:
        for block in physical:
            image.seek(offset + block * step.block_bytes)
            if image.read(1) != _MARK:
                raise BuildError(f"{path}: block {block} of the image does not hold what was put there")
            image.seek(-1, os.SEEK_CUR)
            image.write(b"\0")
