"""Sizes and sectors: nothing overlaps, everything is aligned and inside the disk."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from imagebuild.errors import PlanError
from imagebuild.filesystems.making import MIB
from imagebuild.filesystems.table import capacity_bytes, size_for
from imagebuild.plan.areas import disk_model
from imagebuild.plan.layout import EXTENT_BYTES, arrange
from imagebuild.recipe.model import Disk

extents = st.one_of(
    st.integers(1, 900).map(lambda size: f"{size}MiB"),
    st.integers(1, 100).map(lambda share: f"{share}%"),
    st.just("rest"),
)


@given(st.lists(extents, min_size=1, max_size=4), st.lists(extents, min_size=1, max_size=5), st.integers(64, 8192))
def test_partitions_never_overlap(parts: list[str], volumes: list[str], total: int) -> None:
    disk = Disk.model_validate(
        {
            "layout": "hd00",
            "size": f"{total}MiB",
            "partitions": [{"size": "64MiB", "mount": "/boot", "filesystem": "ext2"}]
            + [{"size": size, "mount": f"/p{index}", "filesystem": "ext4"} for index, size in enumerate(parts[1:])]
            + [{"size": parts[0], "volume_group": "vg0"}],
            "volume_groups": {
                "vg0": [
                    {"name": f"v{index}", "size": size, "mount": f"/v{index}", "filesystem": "ext4"}
                    for index, size in enumerate(volumes)
                ]
            },
        }
    )
    try:
        arrangement = arrange(disk_model(disk), None)
    except PlanError:
        return
    assert arrangement is not None
    end = 0
    for placed in arrangement.partitions:
        assert placed.start_bytes is not None
        assert placed.start_bytes % MIB == 0
        assert placed.start_bytes >= max(end, MIB)
        end = placed.start_bytes + placed.size_bytes
    assert end <= arrangement.size_bytes == total * MIB
    assert all(placed.size_bytes % EXTENT_BYTES == 0 and placed.size_bytes > 0 for placed in arrangement.volumes)
    room = arrangement.partitions[-1].size_bytes - MIB
    assert sum(placed.size_bytes for placed in arrangement.volumes) <= room


@given(st.integers(0, 50 * 2**30), st.integers(0, 500_000))
def test_computed_size_holds_the_content(content_bytes: int, inodes: int) -> None:
    size = size_for("ext4", content_bytes, inodes)
    assert size % MIB == 0
    assert capacity_bytes("ext4", size, inodes) >= content_bytes
