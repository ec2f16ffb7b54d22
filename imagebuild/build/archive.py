"""Reads a tar archive once, from its first byte to its last, whatever it is compressed with."""

from __future__ import annotations

import contextlib
import tarfile
from collections.abc import Iterator
from pathlib import Path

import zstandard

from imagebuild.errors import BuildError

_ZSTD = b"\x28\xb5\x2f\xfd"


@contextlib.contextmanager
def opened(path: Path) -> Iterator[tarfile.TarFile]:
    """The archive as a stream: members come in order, and a member's content must be read before the next.

    Raises BuildError for what is no tar archive, or a damaged one.
    """
    try:
        with path.open("rb") as file:
            if file.read(4) == _ZSTD:
                file.seek(0)
                reader = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
                with tarfile.open(fileobj=reader, mode="r|") as archive:
                    yield archive
            else:
                file.seek(0)
                with tarfile.open(fileobj=file, mode="r|*") as archive:
                    yield archive
    except (tarfile.TarError, zstandard.ZstdError, EOFError, UnicodeDecodeError) as error:
        raise BuildError(
            f"{path.name} is no tar archive that can be read to its end",
            details=str(error),
            resolution="give a .tar file, plain or compressed with gzip, bzip2, xz, lzma or zstd",
        ) from error


def clean_name(name: str) -> str:
    """A member's path as it will lie in the tree: no leading slash or `./`, no trailing slash."""
    return "/".join(part for part in name.split("/") if part not in ("", "."))
