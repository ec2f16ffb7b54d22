"""The other shapes of a finished image: raw.zst, qcow2, vmdk, vhd. Each is read back before it is believed.

The raw image is what was verified; the others are made from it, and only of an image that did not fail. A Vagrant box
is none of them: libvirt and VirtualBox start a disk by its own boot code, and an image for PV-GRUB has none; its kernel
comes up through a loader that lies outside the image (recipe/model.py says so to whoever asks for one).
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import zstandard

from imagebuild.errors import BuildError
from imagebuild.events import Progress, stage
from imagebuild.host import command
from imagebuild.host.digest import file_sha256
from imagebuild.vocabulary import OutputFormat

OUTPUTS: tuple[OutputFormat, ...] = ("raw.zst", "qcow2", "vmdk", "vhd")
# qemu-img's format and options (qemu-img(1)); force_size: the disk stays as large as it is, to the byte.
_QEMU = {
    "qcow2": ("qcow2", "compat=1.1"),
    "vmdk": ("vmdk", "subformat=streamOptimized"),
    "vhd": ("vpc", "subformat=dynamic,force_size=on"),
}
_ZSTD_LEVEL = 9
_CHUNK = 2**22
_TIMEOUT_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class Made:
    """One file: its kind, where it lies for now, and its sha256."""

    kind: OutputFormat
    path: Path
    sha256: str


def make_output(raw: Path, kind: OutputFormat, target: Path, *, raw_sha256: str, progress: Progress) -> Made:
    """Write `raw` as `kind` to `target`, and compare the two. Raises BuildError; HostError without qemu-img."""
    with stage(progress, f"output {kind}"):
        if kind == "raw.zst":
            _compress(raw, target)
            found = _content_sha256(target)
            if found != raw_sha256:
                raise BuildError(
                    f"{target.name} does not unpack to the image", details=f"sha256 {found}, not {raw_sha256}"
                )
        else:
            _convert(raw, kind, target, progress)
        return Made(kind, target, file_sha256(target))


def _convert(raw: Path, kind: OutputFormat, target: Path, progress: Progress) -> None:
    command.require("qemu-img", "qemu-utils")
    shape, options = _QEMU[kind]
    # names with a colon mean something else to QEMU: file: says that they do not
    source, made = f"file:{raw.name}", f"file:{target.name}"
    command.run(
        ["qemu-img", "convert", "-f", "raw", "-O", shape, "-o", options, source, made],
        doing=f"writing {kind}", folder=raw.parent, timeout_seconds=_TIMEOUT_SECONDS, log=progress.log,
        resolution="check the free space on the output directory's filesystem",
    )  # fmt: skip
    command.run(
        ["qemu-img", "compare", "-f", "raw", "-F", shape, source, made],
        doing=f"comparing {kind} with the image", folder=raw.parent, timeout_seconds=_TIMEOUT_SECONDS, log=progress.log,
    )  # fmt: skip


def _compress(raw: Path, target: Path) -> None:
    """With as many threads as there are processors: the result does not depend on how many (zstd(1), -T)."""
    compressor = zstandard.ZstdCompressor(
        level=_ZSTD_LEVEL, threads=max(len(os.sched_getaffinity(0)), 1), write_checksum=True
    )
    with raw.open("rb") as source, target.open("wb") as made:
        compressor.copy_stream(source, made, size=raw.stat().st_size, read_size=_CHUNK, write_size=_CHUNK)


def _content_sha256(packed: Path) -> str:
    digest = hashlib.sha256()
    with packed.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file, read_size=_CHUNK) as reader:
        while chunk := reader.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
