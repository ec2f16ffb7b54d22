"""One YAML file as a tree: places, scalars, bounds. Whole messages are in tests/recipes/invalid."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagebuild.errors import RecipeError
from imagebuild.recipe.tree import Mapping, find, plain, steps_of
from imagebuild.recipe.yaml_source import MAX_FILE_BYTES, core_value, read_yaml


def read(folder: Path, text: str | bytes) -> Mapping:
    path = folder / "recipe.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    root, problems = read_yaml(path)
    assert problems == []
    return root


def message(path: Path) -> str:
    with pytest.raises(RecipeError) as caught:
        read_yaml(path)
    return "\n".join(str(problem) for problem in caught.value.problems)


def place_of(root: Mapping, key: str) -> tuple[int, int]:
    place = find(root, steps_of(root, key)).place
    return place.line, place.column


def test_every_key_and_value_has_its_place(tmp_path: Path) -> None:
    root = read(
        tmp_path,
        "# a comment\n"
        "name: web\n"
        "disk:\n"
        "  partitions:\n"
        "    - {mount: /boot, size: 256MiB}\n"
        "    - size: rest\n"
        "  volume_groups:\n"
        "    vg.0: [{name: root}]\n",
    )
    assert place_of(root, "") == (2, 1)
    assert place_of(root, "name") == (2, 7)
    assert place_of(root, "disk") == (3, 1)
    assert place_of(root, "disk.partitions") == (4, 3)
    assert place_of(root, "disk.partitions.0") == (5, 7)
    assert place_of(root, "disk.partitions.0.size") == (5, 28)
    assert place_of(root, "disk.partitions.1.size") == (6, 13)
    assert place_of(root, "disk.volume_groups.vg.0.0.name") == (8, 19)  # the group's name holds a dot
    assert place_of(root, "disk.partitions.1.mount") == (6, 7)  # absent: the nearest parent
    assert place_of(root, "disk.partitions.7.mount") == (4, 3)


def test_columns_count_characters_and_windows_lines(tmp_path: Path) -> None:
    root = read(tmp_path, "\ufeffname: 'ü'\r\n'é': {a: 'ß', b: c}\r\n")
    assert place_of(root, "name") == (1, 7)
    assert place_of(root, "é.b") == (2, 18)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None), ("~", None), ("null", None), ("true", True), ("False", False),
        ("12", 12), ("-3", -3), ("0644", 644), ("0o644", 0o644), ("0xff", 255), ("1.5", 1.5), (".5", 0.5),
        ("1e3", 1000.0),
        ("yes", "yes"), ("on", "on"), ("2023-06-10", "2023-06-10"), ("1:30", "1:30"), ("1_000", "1_000"),
        ("256MiB", "256MiB"), ("9" * 31, "9" * 31), (".inf", ".inf"), ("1e999", "1e999"),
    ],
)  # fmt: skip
def test_core_schema(text: str, value: object) -> None:
    assert core_value(text) == value
    assert type(core_value(text)) is type(value)


def test_quotes_and_the_tag_str_make_texts(tmp_path: Path) -> None:
    root = read(tmp_path, "a: '12'\nb: !!str 12\nc: ! 12\nd: |\n  12\ne: !append [12]\n")
    assert plain(root) == {"a": "12", "b": "12", "c": "12", "d": "12\n", "e": [12]}


def test_aliases_stand_for_their_anchor(tmp_path: Path) -> None:
    root = read(tmp_path, "a: &x {b: 1}\nc: [*x, *x]\nd: &x 2\ne: *x\n")
    assert plain(root) == {"a": {"b": 1}, "c": [{"b": 1}, {"b": 1}], "d": 2, "e": 2}
    assert place_of(root, "c.1.b") == (1, 11)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    assert "no such file" in message(tmp_path / "none.yaml")
    assert "is a directory" in message(tmp_path)
    assert "cannot be read" in message(tmp_path / ("x" * 300))
    assert "not a file name" in message(tmp_path / "a\0b")
    (tmp_path / "file").write_text("a: b")
    assert "Not a directory" in message(tmp_path / "file" / "recipe.yaml")


def test_files_that_are_no_recipe(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_bytes(b"a: " + b"x" * MAX_FILE_BYTES)
    assert "larger than 1 MiB" in message(path)
    path.write_bytes(b"x: " + b"[" * (MAX_FILE_BYTES - 3))
    assert "levels deep" in message(path)
    path.write_bytes(b"x: [" + b"a," * (MAX_FILE_BYTES // 2 - 10))
    assert "more than 20000 values" in message(path)
    path.write_text('a: "\\UFFFFFFFF"\n')
    assert "recipe.yaml:1:1: not YAML" in message(path)


def test_all_that_leaves_the_rest_readable_is_told(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text("a: 1\na: 2\n3: x\nb: !tag y\nc: .inf\nd: '\\0'\ne: \"\\ud800\"\n")
    root, problems = read_yaml(path)
    assert [(problem.line, problem.key) for problem in problems] == [(2, "a"), (3, ""), (4, "b"), (5, "c"), (7, "e")]
    assert plain(root) == {"a": 1, "3": "x", "b": "y", "c": ".inf", "d": "\\0", "e": ""}
