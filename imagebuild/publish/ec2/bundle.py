"""An image as an EC2 bundle, in one pass: image → tar → SHA-1 → gzip → AES-128-CBC → parts of 10 MiB, and a manifest.

Everything is written into a folder `.PREFIX.partial` inside the target folder and moved out at the end, the manifest
last: where a manifest is, its bundle is whole.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from imagebuild import __version__
from imagebuild.errors import PublishError
from imagebuild.host.sparse import aligned_extents
from imagebuild.publish.ec2 import gzip_stream, tar_stream
from imagebuild.publish.ec2.keys import BundleKeys, SessionKey, encrypt_hex, new_session_key, sign
from imagebuild.publish.ec2.manifest import (
    MOST_IMAGE_BYTES,
    Machine,
    Manifest,
    Part,
    check_account,
    check_prefix,
    write_manifest,
)
from imagebuild.recipe.named_file import open_named

PART_BYTES = 10 * 2**20
Meter = Callable[[int, int], None]
"""Told how many bytes are done, and of how many."""


@dataclass(frozen=True, slots=True)
class BundleContent:
    """`folder` exists or is made; `prefix` names the parts and the archive's member."""

    image: Path
    folder: Path
    prefix: str
    account: str
    machine: Machine


@dataclass(frozen=True, slots=True)
class Bundle:
    """A finished bundle on disk."""

    manifest_path: Path
    manifest: Manifest


def write_bundle(
    content: BundleContent,
    keys: BundleKeys,
    *,
    meter: Meter = lambda done, total: None,
    workers: int | None = None,
    session: SessionKey | None = None,
) -> Bundle:
    """Make the bundle. Memory stays bounded (some `4 * workers` MiB); `session` is given by tests only.

    Raises PublishError when the image is empty, too large (10 GiB) or changes, or when such a bundle exists already.
    """
    account, prefix = check_account(content.account), check_prefix(content.prefix)
    content.folder.mkdir(parents=True, exist_ok=True)
    manifest_path = content.folder / f"{prefix}.manifest.xml"
    _refuse_existing(content.folder, prefix)
    partial = content.folder / f".{prefix}.partial"
    shutil.rmtree(partial, ignore_errors=True)  # what a killed run left
    partial.mkdir()
    try:
        session = session or new_session_key()
        digest, size, parts = _write_parts(content.image, prefix, partial, session, meter, workers or _cores())
        named = _move_parts(parts, prefix, content.folder)
        manifest = Manifest(
            machine=content.machine,
            name=prefix,
            account=account,
            digest=digest,
            size_bytes=size,
            bundled_bytes=sum(part.size_bytes for part in parts),
            ec2_key=encrypt_hex(keys.ec2, session.key),
            user_key=encrypt_hex(keys.user, session.key),
            ec2_iv=encrypt_hex(keys.ec2, session.iv),
            user_iv=encrypt_hex(keys.user, session.iv),
            parts=named,
            bundler=("imagebuild", __version__, "1"),
        )
        (partial / "manifest").write_bytes(write_manifest(manifest, lambda text: sign(keys.private, text)))
        (partial / "manifest").rename(manifest_path)
    except BaseException:
        _remove_parts(content.folder, prefix)
        raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return Bundle(manifest_path, manifest)


@dataclass(frozen=True, slots=True)
class _WrittenPart:
    path: Path
    sha1: str
    size_bytes: int


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def _refuse_existing(folder: Path, prefix: str) -> None:
    if (folder / f"{prefix}.manifest.xml").exists():
        raise PublishError(
            f"{folder} already contains a bundle named {prefix}",
            resolution="choose another directory (-d) or name (--prefix), or remove that bundle",
        )
    _remove_parts(folder, prefix)  # parts without their manifest: a run that was killed at its very end


def _remove_parts(folder: Path, prefix: str) -> None:
    for path in folder.glob(f"{prefix}.part.*"):
        if path.name.removeprefix(f"{prefix}.part.").isdecimal():
            path.unlink(missing_ok=True)


def _write_parts(
    image: Path, prefix: str, folder: Path, session: SessionKey, meter: Meter, workers: int
) -> tuple[str, int, list[_WrittenPart]]:
    with _opened(image) as descriptor:
        before = os.fstat(descriptor)
        if not 0 < before.st_size <= MOST_IMAGE_BYTES:
            raise PublishError(
                f"{image} has {before.st_size} bytes: an instance-store image has at least 1 and at most 10 GiB",
                resolution="make a smaller image, or publish it as an EBS snapshot",
            )
        extents = aligned_extents(descriptor, before.st_size)
        total = tar_stream.stream_length(before.st_size, extents)
        pieces = tar_stream.tar_pieces(descriptor, prefix, before.st_size, extents, gzip_stream.PIECE_BYTES)
        digest = hashlib.sha1()  # the format's
        packed = gzip_stream.compressed(_watched(pieces, digest.update, total, meter), workers=workers)
        parts = _cut_into_parts(_encrypted(packed, session), folder)
        after = os.fstat(descriptor)
    if (before.st_mtime_ns, before.st_size) != (after.st_mtime_ns, after.st_size):
        raise PublishError(
            f"{image} changed while it was bundled", resolution="run this again while nothing writes to the image"
        )
    return digest.hexdigest(), before.st_size, parts


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    """A descriptor for reading, closed at the block's end."""
    try:
        file = open_named(path)
    except OSError as error:
        raise PublishError(f"{path} cannot be read: {error.strerror}", resolution="check the path") from error
    with file:
        yield file.fileno()


def _watched(pieces: Iterable[bytes], look: Callable[[bytes], object], total: int, meter: Meter) -> Iterator[bytes]:
    done = 0
    for piece in pieces:
        look(piece)
        done += len(piece)
        meter(done, total)
        yield piece


def _encrypted(chunks: Iterable[bytes], session: SessionKey) -> Iterator[bytes]:
    cipher = Cipher(algorithms.AES128(session.key), modes.CBC(session.iv)).encryptor()
    padder = PKCS7(128).padder()
    for chunk in chunks:
        yield cipher.update(padder.update(chunk))
    yield cipher.update(padder.finalize()) + cipher.finalize()


def _cut_into_parts(chunks: Iterable[bytes], folder: Path) -> list[_WrittenPart]:
    parts: list[_WrittenPart] = []
    rest = memoryview(b"")
    chunks = (chunk for chunk in chunks if chunk)  # a cipher may hold back all of a short chunk
    while rest or (rest := memoryview(next(chunks, b""))):
        path, digest, length = folder / str(len(parts)), hashlib.sha1(), 0  # the format's
        with path.open("wb", buffering=0) as file:
            while length < PART_BYTES and (rest or (rest := memoryview(next(chunks, b"")))):
                taken, rest = rest[: PART_BYTES - length], rest[PART_BYTES - length :]
                digest.update(taken)
                length += _written(file, taken)
        parts.append(_WrittenPart(path, digest.hexdigest(), length))
    return parts


def _written(file: FileIO, data: memoryview) -> int:
    """Write all of it (write(2) may take less) and return its length."""
    done = 0
    while done < len(data):
        done += file.write(data[done:])
    return done


def _move_parts(parts: list[_WrittenPart], prefix: str, folder: Path) -> tuple[Part, ...]:
    width = max(2, len(str(len(parts) - 1)))
    named = []
    for index, part in enumerate(parts):
        filename = f"{prefix}.part.{index:0{width}d}"
        part.path.rename(folder / filename)
        named.append(Part(filename, part.sha1))
    return tuple(named)
