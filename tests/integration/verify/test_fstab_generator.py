"""Our reading of an fstab against systemd's own generator, on generated fstabs: no disagreement."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagebuild.formats.fstab import needs, read_fstab
from tests.fstab_generator import GENERATOR, Links, expected, generated, judge

pytestmark = [pytest.mark.integration, pytest.mark.needs("namespace")]
_COUNT, _SEED = 200, 16


def test_generated_fstabs_are_read_as_systemd_reads_them(tmp_path: Path) -> None:
    if not GENERATOR.exists():
        pytest.skip(f"there is no {GENERATOR}")
    fstabs = generated(_SEED, _COUNT)
    wrong: dict[str, tuple[Links, Links]] = {}
    for text, links in zip(fstabs, judge(fstabs, tmp_path), strict=True):
        if (ours := expected(needs(read_fstab(text)))) != links:
            wrong[text] = (ours - links, links - ours)
    assert wrong == {}
