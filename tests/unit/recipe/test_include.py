"""include: what wins, what is appended, from where paths count."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from imagebuild.errors import RecipeError
from imagebuild.recipe.load import LoadedRecipe

Loader = Callable[..., LoadedRecipe]


def problems(caught: pytest.ExceptionInfo[RecipeError]) -> list[str]:
    return [str(problem) for problem in caught.value.problems]


def test_mappings_merge_lists_and_scalars_replace(load: Loader, minimal: str) -> None:
    loaded = load(
        {
            "base.yaml": minimal + "boot: {timeout: 9, fallback: 1}\nfiles: [{path: /a, content: a}]\n",
            "recipe.yaml": "include: [base.yaml]\nname: other\nboot: {timeout: 1}\nfiles: [{path: /b, content: b}]\n",
        }
    )
    assert loaded.recipe.name == "other"
    assert (loaded.recipe.boot.timeout, loaded.recipe.boot.fallback) == (1, 1)
    assert [file.path for file in loaded.recipe.files] == ["/b"]
    assert [path.name for path in loaded.files] == ["recipe.yaml", "base.yaml"]


def test_the_later_file_wins_and_append_goes_behind(load: Loader, minimal: str) -> None:
    loaded = load(
        {
            "a.yaml": minimal,
            "b.yaml": "include: [a.yaml]\nrootfs: {debian: {suite: trixie, packages: [b1, b2]}}\n",
            "c.yaml": "rootfs: {debian: {packages: !append [c1]}}\n",
            "recipe.yaml": "include: [b.yaml, c.yaml]\nrootfs: {debian: {packages: !append [d1]}}\n",
        }
    )
    debian = loaded.recipe.rootfs.debian
    assert debian is not None
    assert debian.suite == "trixie"
    assert debian.packages == ("b1", "b2", "c1", "d1")


def test_places_name_the_file_of_the_key(load: Loader, minimal: str, tmp_path: Path) -> None:
    loaded = load({"base.yaml": minimal, "recipe.yaml": "include: [base.yaml]\n\nboot: {timeout: 1}\n"})
    assert loaded.place("disk.filesystem").file == str(tmp_path / "base.yaml")
    assert loaded.locate("disk.filesystem") == (4, 33)
    assert loaded.place("boot.timeout").file == str(tmp_path / "recipe.yaml")
    assert str(loaded.problem("boot.timeout", "no")) == f"{tmp_path}/recipe.yaml:3:17: boot.timeout: no"


def test_files_count_from_the_file_that_names_them(load: Loader, minimal: str, tmp_path: Path) -> None:
    loaded = load(
        {
            "shared/files/motd": "hello",
            "shared/base.yaml": minimal + "files: [{path: /etc/motd, source: files/motd}]\n",
            "mine/issue": "hello",
            "recipe.yaml": "include: [shared/base.yaml]\nfiles: !append [{path: /etc/issue, source: mine/issue}]\n",
        }
    )
    assert [file.source for file in loaded.recipe.files] == ["shared/files/motd", "mine/issue"]
    assert loaded.folder == tmp_path


def test_files_behind_symbolic_links(load: Loader, minimal: str, tmp_path: Path) -> None:
    (tmp_path / "far" / "deep").mkdir(parents=True)
    (tmp_path / "link").symlink_to("far/deep")
    loaded = load(
        {
            "far/motd": "hello",
            "far/base.yaml": minimal + "files: [{path: /etc/motd, source: motd}]\n",
            "recipe.yaml": "include: [link/../base.yaml]\n",
        }
    )
    assert [file.source for file in loaded.recipe.files] == ["far/motd"]


def test_one_file_included_on_two_ways_is_no_circle(load: Loader, minimal: str) -> None:
    loaded = load(
        {
            "base.yaml": minimal,
            "a.yaml": "include: [base.yaml]\nboot: {timeout: 1}\n",
            "b.yaml": "include: [base.yaml]\nboot: {default: 1}\n",
            "recipe.yaml": "include: [a.yaml, b.yaml]\n",
        }
    )
    assert (loaded.recipe.boot.timeout, loaded.recipe.boot.default) == (1, 1)
    assert len(loaded.files) == 4


def test_doubling_includes_end(load: Loader, minimal: str) -> None:
    files = {f"f{level}.yaml": f"include: [f{level + 1}.yaml, f{level + 1}.yaml]\n" for level in range(20)}
    with pytest.raises(RecipeError) as caught:
        load({**files, "f20.yaml": minimal, "recipe.yaml": "include: [f0.yaml]\n"})
    assert all("more than 100 included files" in problem for problem in problems(caught))


def test_all_included_files_are_judged(load: Loader) -> None:
    with pytest.raises(RecipeError) as caught:
        load({"a.yaml": "a: [", "b.yaml": "", "recipe.yaml": "include: [a.yaml, b.yaml, 3, [x], '${x}.yaml']\n"})
    found = problems(caught)
    assert len(found) == 5
    assert "a.yaml:1:5: not YAML" in found[0]
    assert "recipe.yaml:1:19: include.1" in found[1]
    assert "b.yaml: empty" in found[1]
    assert "found the number 3" in found[2]
    assert "found a list" in found[3]
    assert "files are included first" in found[4]
