"""Which machines verify a recipe's image."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagebuild.operations.jobs import machines_of
from imagebuild.recipe.load import load_recipe
from imagebuild.vocabulary import MachineName

RECIPE = """name: web
rootfs: {debian: {suite: bookworm}}
disk: {layout: hd00, size: 2GiB, partitions: [{filesystem: ext4, mount: /, size: rest}]}
"""


@pytest.mark.parametrize(
    ("modes", "verify", "machines"),
    [
        ("pv", "{}", ("static", "qemu", "xen")),
        ("pv", "{qemu: false}", ("static", "xen")),
        ("pv, bios", "{}", ("static", "xen", "bios")),
        ("pv, bios", "{qemu: false, xen: false}", ("static", "bios")),
        ("pvh", "{qemu: false, xen: false}", ("static", "pvh")),
        ("pv, pvh, bios, uefi", "{boot: false}", ("static",)),
    ],
)
def test_every_mode_is_proven_unless_the_recipe_says_no_boot(
    tmp_path: Path, modes: str, verify: str, machines: tuple[MachineName, ...]
) -> None:
    path = tmp_path / "web.yaml"
    path.write_text(f"{RECIPE}boot: {{modes: [{modes}]}}\nverify: {verify}\n")
    assert machines_of(load_recipe(path), None) == machines
