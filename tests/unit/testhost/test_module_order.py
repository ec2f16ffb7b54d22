"""dom0's drivers, in an order in which insmod can load them."""

from __future__ import annotations

import pytest

from imagebuild.testhost.build import module_order


@pytest.mark.parametrize("suffix", ["", ".xz", ".zst"])
def test_what_a_module_needs_comes_first(suffix: str) -> None:
    """modules.dep(5): of what a module needs, the last name is loaded first. Debian 13 packs modules with xz."""
    ext4, jbd2, crc16, blkfront = (
        f"kernel/{name}.ko{suffix}" for name in ("fs/ext4", "fs/jbd2", "lib/crc16", "block/xen-blkfront")
    )
    dep = f"{ext4}: {jbd2} {crc16}\n{jbd2}:\n{crc16}:\n{blkfront}:\n"
    assert module_order(dep, ("xen_blkfront", "ext4", "built_in")) == [blkfront, crc16, jbd2, ext4]
