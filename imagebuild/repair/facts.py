"""What must be known of an image to repair it, as data: boot_volume.py finds it out, decide.py decides from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BootVolume:
    """The part of the disk that the boot loader reads.

    `place` is GRUB 0.97's name for it, `partition` its number counted from 1 (None: the whole disk). `devices`: every
    such name that the image has. `steady_names`: `UUID=…` of each partition by its number (0: the whole disk).
    `refused` and `cautioned`: features that the loader cannot read, or reads with a caution. `unclean`: why it wants
    a check, or empty. `menu_text` None: no menu where the loader looks; `other_menus`: path and text of what could be
    one. `misread`: files in which the loader would read something else than is in them. `packed_otherwise`: kernels
    of a compression that it does not know. `stray`: other loaders' configurations. `has_boot_folder`: there is a
    /boot in it. `has_saved_default`: `savedefault` has its file.
    """

    place: str
    partition: int | None
    offset_bytes: int
    size_bytes: int
    type: str
    uuid: str
    label: str
    block_bytes: int
    features: frozenset[str]
    refused: tuple[str, ...]
    cautioned: tuple[str, ...]
    unclean: str
    devices: frozenset[str]
    steady_names: Mapping[int, str]
    menu_path: str
    menu_text: str | None
    other_menus: tuple[tuple[str, str], ...]
    misread: tuple[str, ...]
    packed_otherwise: tuple[str, ...]
    stray: tuple[str, ...]
    has_boot_folder: bool
    has_saved_default: bool
