"""The sparse sha256 is the plain one."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

import pytest

from imagebuild.errors import Interrupted
from imagebuild.host.digest import image_sha256

_MIB = 2**20


def test_holes_are_hashed_as_the_zeros_that_they_are(tmp_path: Path) -> None:
    path = tmp_path / "image"
    with path.open("wb") as file:
        file.truncate(20 * _MIB + 17)
        for offset in (0, 5 * _MIB + 1, 19 * _MIB):
            file.seek(offset)
            file.write(b"data" * 3000)
    assert image_sha256(path, threading.Event()) == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("size", [0, 1, 3 * _MIB])
def test_a_file_of_any_size(size: int, tmp_path: Path) -> None:
    path = tmp_path / "image"
    with path.open("wb") as file:
        file.truncate(size)
    assert image_sha256(path, threading.Event()) == hashlib.sha256(bytes(size)).hexdigest()


def test_it_can_be_stopped(tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.write_bytes(b"data")
    stop = threading.Event()
    stop.set()
    with pytest.raises(Interrupted):
        image_sha256(path, stop)
