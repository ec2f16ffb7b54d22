"""The exit codes: one table, which every place that tells of them agrees with."""

from __future__ import annotations

import re
from pathlib import Path

from imagebuild.errors import BAD_IMAGE, DIFFERENT, EXIT_CODES, OK, ImagebuildError

ROOT = Path(__file__).parents[2]


def test_every_error_has_its_line() -> None:
    own = {error.exit_code for error in _below(ImagebuildError)}
    assert set(EXIT_CODES) == own | {OK, ImagebuildError.exit_code, BAD_IMAGE, DIFFERENT}
    assert list(EXIT_CODES) == sorted(EXIT_CODES)


def _below(error: type[ImagebuildError]) -> set[type[ImagebuildError]]:
    return {each for direct in error.__subclasses__() for each in (direct, *_below(direct))}


def test_the_readme_names_them_all() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Exit codes")[2].partition("\n## ")[0]
    assert [int(code) for code in re.findall(r"(?:^|\u00b7 ?\n?)(\d+) ", text, re.MULTILINE)] == list(EXIT_CODES)
