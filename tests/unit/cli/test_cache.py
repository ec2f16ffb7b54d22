"""`cache ls | prune | verify` as a user sees them."""

from __future__ import annotations

from pathlib import Path

import pytest

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
