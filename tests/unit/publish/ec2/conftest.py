"""Keys for a user, for EC2 and for a stranger, and small sparse images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.publish.ec2.keypairs import Pair, make_pair


@pytest.fixture(scope="session")
def user(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return make_pair(tmp_path_factory.mktemp("user"), "user")


@pytest.fixture(scope="session")
def ec2(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return make_pair(tmp_path_factory.mktemp("ec2"), "ec2")


@pytest.fixture(scope="session")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return make_pair(tmp_path_factory.mktemp("stranger"), "stranger")


@pytest.fixture
def sparse_image(tmp_path: Path) -> Callable[..., Path]:
    """A file of `size` bytes with the given stretches of data and holes elsewhere."""

    def make(size: int, *stretches: tuple[int, bytes], name: str = "disk.img") -> Path:
        path = tmp_path / name
        with path.open("wb") as file:
            file.truncate(size)
            for offset, data in stretches:
                file.seek(offset)
                file.write(data)
        return path

    return make
