"""The form of data-driven cases: tests/cases.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cases import MalformedCaseError, read_cases, replace_out

INVALID = Path(__file__).parents[1] / "recipes" / "invalid"
TWO = """# a comment

[case one]
[file a/b.yaml]
x: [1]

[bytes c]
[out]
A

B

[case two]
[file empty]
[out]
C
"""


def test_files_and_expected_text(tmp_path: Path) -> None:
    (tmp_path / "some.test").write_text(TWO)
    (tmp_path / "bytes/one").mkdir(parents=True)
    (tmp_path / "bytes/one/c").write_bytes(b"\xff\r")
    one, two = read_cases(tmp_path / "some.test").cases
    assert (one.name, one.out, two.name, two.out) == ("one", "A\n\nB\n", "two", "C\n")
    for case in (one, two):
        case.make_files(tmp_path / "made")
    made = {path.name: path.read_bytes() for path in (tmp_path / "made").rglob("*") if path.is_file()}
    assert made == {"b.yaml": b"x: [1]\n\n", "c": b"\xff\r", "empty": b""}


def test_the_expected_text_of_one_case_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "some.test"
    path.write_text(TWO)
    replace_out(read_cases(path).cases[0], "D\n")
    assert path.read_text() == TWO.replace("A\n\nB\n", "D\n")


@pytest.mark.parametrize("path", sorted(INVALID.glob("*.test")), ids=lambda path: path.name)
def test_what_is_written_is_what_was_read(path: Path) -> None:
    assert read_cases(path).written() == path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "text",
    [
        "[file a]\n[out]\n",
        "[case one]\n[out]\nA\n",
        "[case one]\n[file a]\n",
        "[case one]\n",
        "[case one]\n[out]\nA\n[file a]\n",
        "[case]\n[file a]\n[out]\nA\n",
        "[case one]\n[file]\n[out]\nA\n",
        "[case one]\nlost\n[file a]\n[out]\nA\n",
        "[case one]\n[bytes a]\nlost\n[out]\nA\n",
    ],
)
def test_malformed(text: str, tmp_path: Path) -> None:
    path = tmp_path / "some.test"
    path.write_text(text)
    with pytest.raises(MalformedCaseError, match=r"some\.test: "):
        read_cases(path)
