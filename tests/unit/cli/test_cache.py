"""`cache ls | prune | verify` as a user sees them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from imagebuild.cli.commands.cache import trim_cache
from imagebuild.cli.run import run
from imagebuild.host.cache import Cache
from imagebuild.host.cache_kinds import KINDS


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cache:
    monkeypatch.setenv("IMAGEBUILD_CACHE", str(tmp_path))
    store = Cache()
    store.get("kernels", "a" * 64, _make)
    return store


def _make(folder: Path) -> None:
    (folder / "facts.json").write_text("{}")


def test_ls_shows_the_whole_table(cache: Cache, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["cache", "ls"]) == 0
    lines = capsys.readouterr().out.splitlines()
    shown = [line for line in lines if any(f" {name} " in line and about.what in line for name, about in KINDS.items())]
    assert len(shown) == len(KINDS)
    assert [line.split()[0] for line in shown if " kernels " in line] == ["1"]
    assert lines[-1].startswith("1 entries, ")


def test_verify_says_what_is_damaged_and_removes_it(cache: Cache, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["cache", "verify"]) == 0
    (cache.path("kernels", "a" * 64) / "facts.json").write_text("[]")
    assert run(["cache", "verify"]) == 5
    said = capsys.readouterr()
    assert "damaged  kernels aaaaaaaaaaaaaaaa\n         facts.json: changed\n" in said.out
    assert "1 of 1 cache entries are damaged" in said.err
    assert run(["cache", "verify", "--remove"]) == 0
    assert cache.entries() == []


def test_prune(cache: Cache, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["cache", "prune", "--max-size", "many"]) == 2
    assert run(["cache", "prune", "--max-size", "0"]) == 0
    assert "removed kernels aaaaaaaaaaaaaaaa" in capsys.readouterr().out


def test_ls_sums_by_kind_and_lists_entries_on_demand(cache: Cache, capsys: pytest.CaptureFixture[str]) -> None:
    cache.get("kernels", "b" * 64, _make)
    assert run(["cache", "ls"]) == 0
    said = capsys.readouterr().out
    assert "aaaa" not in said
    assert said.splitlines()[0].split()[0] == "2", "the largest kind first"
    assert " of at most 20 GiB, in " in said
    assert run(["cache", "ls", "--entries"]) == 0
    assert "kernels       aaaaaaaaaaaaaaaa\n" in capsys.readouterr().out


def test_the_whole_cache_keeps_to_its_limit(
    cache: Cache, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The least recently used goes first, and it is said; what another process uses stays."""
    cache.get("kernels", "b" * 64, _make)
    os.utime(cache.path("kernels", "a" * 64), (1, 1))
    size = cache.entries()[0].size_bytes
    trim_cache()
    assert capsys.readouterr() == ("", "")
    monkeypatch.setenv("IMAGEBUILD_CACHE_LIMIT", str(size))
    trim_cache()
    assert "cache: removed the 1 least recently used entries" in capsys.readouterr().err
    assert [entry.digest[0] for entry in cache.entries()] == ["b"]
    monkeypatch.setenv("IMAGEBUILD_CACHE_LIMIT", "much")
    assert run(["cache", "ls"]) == 2
    assert capsys.readouterr().err == "IMAGEBUILD_CACHE_LIMIT: much: not a size; write 20GiB, 500MiB or 0\n"
