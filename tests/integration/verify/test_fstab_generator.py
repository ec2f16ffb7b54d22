"""Our reading of an fstab against systemd's own generator, on generated fstabs: no disagreement."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagebuild.formats.fstab import needs, read_fstab
from tests.fstab_generator import GENERATOR, Links, expected, generated, judge, judges_swap, version

pytestmark = [pytest.mark.integration, pytest.mark.needs("namespace")]
_COUNT, _SEED = 200, 16


def test_generated_fstabs_are_read_as_systemd_reads_them(tmp_path: Path) -> None:
    if not GENERATOR.exists():
        pytest.skip(f"there is no {GENERATOR}")
    fstabs, systemd = generated(_SEED, _COUNT), version()
    swap = judges_swap(tmp_path / "swap")
    wrong: dict[str, tuple[Links, Links]] = {}
    for text, links in zip(fstabs, judge(fstabs, tmp_path), strict=True):
        lines = (line for line in read_fstab(text) if swap or not line.is_swap)
        if (ours := expected(needs(lines, systemd=systemd))) != links:
            wrong[text] = (ours - links, links - ours)
    assert wrong == {}
