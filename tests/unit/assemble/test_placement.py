"""Stripes and runs: every byte has its place, and comes back from there."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from imagebuild.assemble.inside.placement import pieces, staged
from imagebuild.plan.disk_vocabulary import Region, Runs

KIB = 1024
LINEAR = Runs(
    runs=(Region(offset_bytes=8 * KIB, size_bytes=12 * KIB), Region(offset_bytes=64 * KIB, size_bytes=20 * KIB))
)
STRIPED = Runs(
    runs=(Region(offset_bytes=16 * KIB, size_bytes=16 * KIB), Region(offset_bytes=64 * KIB, size_bytes=16 * KIB)),
    stripe_bytes=4 * KIB,
)


@pytest.mark.parametrize("where", [LINEAR, STRIPED], ids=["linear", "striped"])
def test_content_is_dealt_out_and_gathered(where: Runs, tmp_path: Path) -> None:
    image = tmp_path / "image"
    image.write_bytes(b"\xee" * 100 * KIB)
    content = bytearray(random.Random(1).randbytes(where.size_bytes))
    content[8 * KIB : 16 * KIB] = bytes(8 * KIB)
    with staged(where, image, tmp_path) as path, path.open("r+b") as file:
        file.write(content)
    found = image.read_bytes()
    assert b"".join(found[offset : offset + size] for offset, size in pieces(where, 0, where.size_bytes)) == content
    inside = sum(run.size_bytes for run in where.runs)
    assert found.count(b"\xee" * KIB) >= (100 * KIB - inside) // KIB - 2


def test_stripes_go_round() -> None:
    assert list(pieces(STRIPED, 2 * KIB, 8 * KIB)) == [
        (18 * KIB, 2 * KIB), (64 * KIB, 4 * KIB), (20 * KIB, 2 * KIB),
    ]  # fmt: skip
