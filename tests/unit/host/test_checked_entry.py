"""A changed byte in the cache is noticed while the entry is used."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagebuild.errors import BuildError
from imagebuild.host.cache import Cache
from imagebuild.host.checked_entry import DamagedEntryError, checked, drop


def fill(directory: Path) -> None:
    (directory / "tree.tar").write_bytes(b"x" * 5000)


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path)


def change(entry: Path) -> None:
    with (entry / "tree.tar").open("r+b") as file:
        file.seek(4000)
        file.write(b"y")


def test_a_whole_entry_is_used(cache: Cache) -> None:
    entry, _ = cache.get("trees", "a", fill)
    (entry / "facts-new.json").write_text("{}", encoding="ascii")  # added later
    with checked(entry):
        assert (entry / "tree.tar").read_bytes()


def test_a_changed_byte_and_the_entry_is_dropped(cache: Cache) -> None:
    entry, _ = cache.get("trees", "a", fill)
    change(entry)
    assert cache.find("trees", "a")  # its size is right
    with pytest.raises(DamagedEntryError, match=r"trees/a is damaged: tree\.tar: changed") as caught, checked(entry):
        pass
    assert drop(caught.value, cache)
    assert cache.get("trees", "a", fill)[1] is False


def test_damage_explains_a_failure(cache: Cache) -> None:
    """tar stumbles over it: the archive is to blame, not the tree."""
    entry, _ = cache.get("trees", "a", fill)
    with pytest.raises(BuildError, match="tar failed"), checked(entry):
        raise BuildError("tar failed")
    change(entry)
    with pytest.raises(DamagedEntryError), checked(entry):
        raise BuildError("tar failed")


def test_an_interruption_does_not_wait(cache: Cache) -> None:
    entry, _ = cache.get("trees", "a", fill)
    change(entry)
    with pytest.raises(KeyboardInterrupt), checked(entry):
        raise KeyboardInterrupt
