"""The boot loaders, by the recipe's word for each."""

from __future__ import annotations

from imagebuild.bootloaders.grub2 import GRUB2
from imagebuild.bootloaders.menu_choice import LoaderName
from imagebuild.bootloaders.model import ImageRule, Loader, PlanRule
from imagebuild.bootloaders.pv_grub import PV_GRUB
from imagebuild.bootloaders.pygrub import PYGRUB
from imagebuild.formats.superblocks import Superblock
from imagebuild.vocabulary import BootLoader

LOADERS: dict[BootLoader, Loader] = {loader.name: loader for loader in (PV_GRUB, PYGRUB, GRUB2)}
# Loaders that take another configuration, where there is one, instead of menu.lst; and their names.
PICKY = tuple(loader for loader in LOADERS.values() if loader.before_menu)
HIDDEN_FROM = " and ".join(loader.title for loader in PICKY)
# The readers of a menu (menu_choice.py), as people call them.
READER_TITLES: dict[LoaderName, str] = {
    "grub-0.97": "PV-GRUB (GRUB 0.97)",
    "pygrub": PYGRUB.title,
    "grub2-legacy": "GRUB 2 reading menu.lst",
}
# No loader finds a file there.
OPAQUE = ("swap", "LVM2_member", "nothing known")


def rules_met(loader: BootLoader, about: str, settings: frozenset[str]) -> list[PlanRule]:
    """The loader's rules that these settings of a filesystem of the type `about` (or of the disk) run into."""
    return [rule for rule in LOADERS[loader].plan_rules if about in rule.about and rule.setting in settings]


def verdict_on(loader: BootLoader, contents: Superblock | None) -> list[ImageRule]:
    """The rules that a filesystem runs into."""
    if contents is None:
        return []
    present = set(contents.features) | {contents.type}
    if contents.block_bytes > 4096:
        present.add("block size")
    if any(feature.startswith("devices=") and feature != "devices=1" for feature in contents.features):
        present.add("devices")
    return [rule for rule in LOADERS[loader].image_rules if contents.type in rule.types and rule.feature in present]
