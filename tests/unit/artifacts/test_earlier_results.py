"""Results of earlier nights are set aside without cost, found by night, and pruned without touching anything else."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagebuild.artifacts.earlier_results import drop_unreplaced, earlier_result, prune_results, set_aside
from imagebuild.errors import UsageError


def build(output: Path, content: str) -> None:
    """As an output directory is written: whole files by rename, the log in place."""
    folder = output / "web"
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("report.json", "web.raw"):
        (folder / f"{name}.partial").write_text(content)
        (folder / f"{name}.partial").rename(folder / name)
    with (folder / "build.log").open("w") as log:
        log.write(content)


def night(output: Path, number: int, content: str, keep: int = 3) -> None:
    set_aside(output, "web", number - 1)
    if content:
        build(output, content)
    drop_unreplaced(output, "web", number - 1)
    (output / "nights").mkdir(exist_ok=True)
    (output / f"nights/{number:06d}.json").write_text("{}")
    prune_results(output, number, keep)


def read(output: Path, name: str) -> list[str]:
    return [(earlier_result(output / name) / file).read_text() for file in ("report.json", "web.raw", "build.log")]


def test_each_night_is_found_by_its_number_and_from_the_end(tmp_path: Path) -> None:
    for number, content in enumerate(("one", "two", "three"), start=1):
        night(tmp_path, number, content)
    assert read(tmp_path, "web@-1") == ["two"] * 3
    assert read(tmp_path, "web@-2") == read(tmp_path, "web@1") == ["one"] * 3
    assert read(tmp_path, "web@3") == read(tmp_path, "web") == ["three"] * 3
    assert (tmp_path / "web/web.raw").stat().st_nlink == 1
    with pytest.raises(UsageError) as caught:
        earlier_result(tmp_path / "web@-3")
    assert "there are: @1, @2 (imagebuild nightly --keep N" in str(caught.value.problems[0])


def test_setting_aside_costs_nothing_until_the_result_is_replaced(tmp_path: Path) -> None:
    night(tmp_path, 1, "one")
    set_aside(tmp_path, "web", 1)
    assert (tmp_path / "web/web.raw").samefile(tmp_path / "nights/000001/web/web.raw")
    assert not (tmp_path / "web/build.log").samefile(tmp_path / "nights/000001/web/build.log"), "written in place"


def test_a_build_that_replaced_nothing_leaves_no_earlier_result(tmp_path: Path) -> None:
    night(tmp_path, 1, "one")
    night(tmp_path, 2, "")
    assert not (tmp_path / "nights/000001").exists()
    night(tmp_path, 3, "three")
    assert read(tmp_path, "web@-1") == read(tmp_path, "web@1") == read(tmp_path, "web@2") == ["one"] * 3


def test_only_old_nights_go(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "precious").touch()
    (tmp_path / "out/nights/notes").mkdir(parents=True)
    (tmp_path / "out/nights/000001").symlink_to(elsewhere)
    for number in range(2, 7):
        night(tmp_path / "out", number, str(number), keep=2)
    names = {path.name for path in (tmp_path / "out/nights").iterdir() if path.suffix != ".json"}
    assert names == {"notes", "000001", "000005"}, "the last two nights: 5 set aside, 6 in its place"
    assert (elsewhere / "precious").exists()
    assert len(list((tmp_path / "out/nights").glob("*.json"))) == 5, "what the nights said stays"


def test_a_path_that_is_there_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "web@-1").mkdir()
    assert earlier_result(tmp_path / "web@-1") == tmp_path / "web@-1"
    assert earlier_result(tmp_path / "old.raw") == tmp_path / "old.raw"
