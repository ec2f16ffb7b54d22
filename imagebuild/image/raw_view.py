"""A raw view of an image of any format: the file itself, or a sparse copy of what it holds.

Nothing is written to the image, and no other file is opened than the one that was named: an image that names another
one (a backing file, an external data file, a parent) is refused.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import shutil
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import lz4.frame
import zstandard

from imagebuild.errors import VerifyError
from imagebuild.formats.foreign import ForeignError, json_value, whole
from imagebuild.formats.image_format import BACK_BYTES, FRONT_BYTES, ImageFormat, Packing, image_format
from imagebuild.formats.unpacking import Decompressor
from imagebuild.host import command
from imagebuild.limits import DECOMPRESSOR, IMAGE
from imagebuild.recipe.named_file import open_named

_CONVERT_TIMEOUT_SECONDS = 1800
_LOOK_TIMEOUT_SECONDS = 120
_BITE = 2**20
_ZSTD_BITE = 256  # each four bytes may become 128 KiB
_LEAST_BYTES = 4096
# What an unpacked image must leave free in the scratch directory.
_SPARE_BYTES = 256 * 2**20
_MOST_LAYERS = 3  # image.qcow2.xz has two


def raw_view(image: Path, folder: Path) -> Path:
    """A name without odd characters for the image, or a sparse raw copy of its content, in `folder`.

    Raises VerifyError where it cannot be read: what it is, and what would help.
    """
    current = image
    for layer in range(_MOST_LAYERS):
        found = format_of(current)
        if found.refused:
            raise VerifyError(f"{image} is {found.refused}", resolution=found.resolution)
        if found.packing is None:
            return _converted(image, current, found, folder)
        current = _unpacked(image, current, found.packing, folder / f"unpacked-{layer}")
    raise VerifyError(f"{image} is compressed more than {_MOST_LAYERS - 1} times", resolution="unpack it")


def format_of(path: Path) -> ImageFormat:
    """What kind of file an image is. Raises OSError."""
    with open_named(path) as file:
        size_bytes = os.fstat(file.fileno()).st_size
        front = file.read(FRONT_BYTES)
        file.seek(max(0, size_bytes - BACK_BYTES))
        return image_format(front, file.read(BACK_BYTES), size_bytes)


def disk_format_of(image: Path) -> str:
    """QEMU's name for the format of an image that is opened as it lies there. Raises VerifyError when QEMU has none."""
    found = format_of(image)
    if found.refused or not found.driver:
        raise VerifyError(f"{image} is {found.shown}", resolution=found.resolution or "unpack it first")
    return found.driver


def _converted(image: Path, current: Path, found: ImageFormat, folder: Path) -> Path:
    raw = folder / "image.raw"
    if found.driver == "raw" and found.content_bytes is None:
        if current.stat().st_size < _LEAST_BYTES:
            raise VerifyError(
                f"{image} has {current.stat().st_size} bytes: no disk image", resolution="name a disk image"
            )
        _check_size(image, current.stat().st_size)
        raw.symlink_to(current.resolve())
        return raw
    command.require("qemu-img", "qemu-utils")
    link = folder / "image.source"
    link.symlink_to(current.resolve())
    source = f"driver={found.driver},file.driver=file,file.filename={link.name}"
    if found.content_bytes is not None:
        source += f",size={found.content_bytes // 512 * 512}"
    if found.driver == "vpc":
        source += ",force_size_calc=current_size"  # else a size out of cylinders, heads and sectors
    size_bytes = _checked_size(image, source, folder)
    argv = ["prlimit", f"--fsize={size_bytes + _BITE}", "--", "qemu-img", "convert", "--image-opts", source]
    finished = command.attempt([*argv, "-O", "raw", raw.name], folder=folder, timeout_seconds=_CONVERT_TIMEOUT_SECONDS)
    if finished.exit_code != 0 or not raw.is_file():
        raise VerifyError(
            f"{image} cannot be converted to a raw image",
            details=finished.tail(),
            resolution=f"run `qemu-img check` on the image; {folder} has {_free(folder) // 2**20} MiB free",
        )
    return raw


def _checked_size(image: Path, source: str, folder: Path) -> int:
    """The size of the disk inside. Raises VerifyError when it is absurd, or does not fit into the scratch directory."""
    info = _asked(image, ["qemu-img", "info", "--output=json", "--image-opts", source], folder)
    if not isinstance(info, dict) or "backing-filename" in info:
        raise VerifyError(
            f"{image} is only a part of an image: it names another file", resolution="combine it into one file first"
        )
    size_bytes = _told(image, info, "virtual-size")
    _check_size(image, size_bytes)
    stretches = _asked(image, ["qemu-img", "map", "--output=json", "--image-opts", source], folder)
    data = sum(_told(image, item, "length") for item in stretches if item.get("data") and not item.get("zero"))
    if data + _SPARE_BYTES > _free(folder):
        raise VerifyError(
            f"{image} holds {data // 2**20} MiB, and {folder} has {_free(folder) // 2**20} MiB free",
            resolution="free some space, or set TMPDIR to another scratch directory",
        )
    return size_bytes


def _told(image: Path, item: Any, key: str) -> int:
    try:
        return whole(item[key])
    except (ForeignError, KeyError, TypeError) as error:
        raise VerifyError(f"{image} cannot be opened: qemu-img tells no {key}", details=str(error)) from None


def _check_size(image: Path, size_bytes: int) -> None:
    if size_bytes > IMAGE.most:
        message = f"{image} says that its disk has {size_bytes} bytes: {IMAGE.exceeded}"
        raise VerifyError(message, resolution="name another image, or raise the limit")


def _asked(image: Path, argv: list[str], folder: Path) -> Any:
    finished = command.attempt(argv, folder=folder, timeout_seconds=_LOOK_TIMEOUT_SECONDS)
    try:
        if finished.exit_code == 0:
            return json_value(finished.output)
    except ForeignError:
        pass
    raise VerifyError(
        f"{image} cannot be opened by qemu-img", details=finished.tail(), resolution="check that the file is complete"
    )


def _free(folder: Path) -> int:
    return shutil.disk_usage(folder).free


def _unpacked(image: Path, source: Path, packing: Packing, target: Path) -> Path:
    """The content of a compressed file, zeros as holes. Raises VerifyError."""
    size_bytes = written = 0
    limit = _free(target.parent) - _SPARE_BYTES
    try:
        with open_named(source) as packed, target.open("wb") as file:
            for piece in _bites(_UNPACKERS[packing](packed)):
                if piece.count(0) != len(piece):
                    os.pwrite(file.fileno(), piece, size_bytes)
                    written += len(piece)
                size_bytes += len(piece)
                if written > limit or size_bytes > IMAGE.most:
                    raise VerifyError(
                        f"{image} unpacks to more than {written // 2**20} MiB, and {target.parent} has no space for it",
                        resolution="free some space, or set TMPDIR to another scratch directory",
                    )
            file.truncate(size_bytes)
    except (OSError, EOFError, ValueError, RuntimeError, zlib.error, lzma.LZMAError, zstandard.ZstdError) as error:
        raise VerifyError(
            f"{image} is damaged {packing} data: {error}", resolution="check that the file is complete"
        ) from error
    return target


def _bites(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Small ones, so that a stretch of zeros becomes a hole."""
    for piece in pieces:
        for start in range(0, len(piece), _BITE):
            yield piece[start : start + _BITE]


def _stream(make: Callable[[], Decompressor]) -> Callable[[BinaryIO], Iterator[bytes]]:
    """For what unpacks a stream after the other in small bites, so that no bomb goes off before it is counted."""

    def unpack(file: BinaryIO) -> Iterator[bytes]:
        pending = file.read(_BITE)
        while pending.strip(b"\0"):
            decompressor = make()
            while not decompressor.eof:
                if decompressor.needs_input and not pending and not (pending := file.read(_BITE)):
                    raise EOFError("it ends early")
                yield decompressor.decompress(pending, _BITE)
                pending = b""
            pending = decompressor.unused_data or file.read(_BITE)

    return unpack


def _pieces(read: Callable[[int], bytes]) -> Iterator[bytes]:
    while piece := read(_BITE):
        yield piece


def _zstd(file: BinaryIO) -> Iterator[bytes]:
    """Frame after frame in small bites: it has no limit for its output, and its reader takes a cut frame for whole."""
    make = zstandard.ZstdDecompressor(max_window_size=DECOMPRESSOR.most)
    pending = file.read(_ZSTD_BITE)
    while pending:
        frame = make.decompressobj()
        while True:
            yield frame.decompress(pending)
            if frame.eof:
                break
            if not (pending := file.read(_ZSTD_BITE)):
                raise EOFError("it ends early")
        pending = frame.unused_data or file.read(_ZSTD_BITE)


def _gzip(file: BinaryIO) -> Iterator[bytes]:
    with gzip.open(file) as reader:
        yield from _pieces(reader.read)


def _lz4(file: BinaryIO) -> Iterator[bytes]:
    with lz4.frame.open(file) as reader:
        yield from _pieces(reader.read)


_UNPACKERS: dict[Packing, Callable[[BinaryIO], Iterator[bytes]]] = {
    "gzip": _gzip,
    "zstd": _zstd,
    "lz4": _lz4,
    "bzip2": _stream(bz2.BZ2Decompressor),
    "xz": _stream(lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=DECOMPRESSOR.most)),
    "lzma": _stream(lambda: lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=DECOMPRESSOR.most)),
}
