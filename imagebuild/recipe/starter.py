"""A commented recipe to begin with, from a few answers or from what an image is like. Pure: answers in, YAML out."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal

from imagebuild.vocabulary import EXT_TYPES, USUAL_ROOT, FilesystemType, Layout, RootType

_TOOLS = {"xfs": "xfsprogs", "btrfs": "btrfs-progs", "reiserfs": "reiserfsprogs"}
_LAYOUT_WORDS = {
    "hd0": "one filesystem, no partition table: for the loader pv-grub-hd0",
    "hd00": "a partition table: the loader pv-grub-hd00 reads the menu from the first partition",
}


@dataclass(frozen=True, slots=True)
class Answers:
    """`size` None: computed from the content."""

    name: str = "my-image"
    layout: Layout = "hd0"
    filesystem: RootType = USUAL_ROOT
    lvm: bool = False
    suite: str = "bookworm"
    size: str | None = None
    hostname: str = "debian"


@dataclass(frozen=True, slots=True)
class FoundFilesystem:
    """A filesystem or swap of an image. `size` as a recipe says it (512MiB), or `rest`."""

    type: FilesystemType
    size: str
    mount: str | None
    label: str = ""
    name: str = ""  # of the logical volume
    group: str = ""  # of the physical volume that it is; then there is no filesystem


@dataclass(frozen=True, slots=True)
class FoundImage:
    """What an image is like, for a recipe that makes one like it. `image`: its path, from the recipe's folder."""

    name: str
    image: str
    size: str
    table: Literal["mbr", "gpt"] | None
    partitions: tuple[FoundFilesystem, ...]
    groups: tuple[tuple[str, tuple[FoundFilesystem, ...]], ...] = ()
    timeout: int | None = None
    default: int = 0
    command_line: str | None = None


def starter(answers: Answers) -> str:
    """The recipe of a new image."""
    packages = ["linux-image-amd64 # the kernel; not the cloud flavour, which lacks Xen's block device",
                "initramfs-tools # makes the initrd, which finds the root filesystem",
                "zstd # what it compresses the initrd with",
                "systemd-sysv # init", "udev", "dbus"]  # fmt: skip
    if answers.lvm:
        packages.append("lvm2 # also puts LVM's tools into the initrd, which activates the volume group")
    if tool := _TOOLS.get(answers.filesystem):
        packages.append(f"{tool} # checks and repairs {answers.filesystem}")
    rootfs = [
        "rootfs: # where the file tree comes from",
        "  debian: # bootstrapped with mmdebstrap, from the machine's own apt sources (or name a mirror:)",
        f"    suite: {answers.suite}",
        "    variant: minbase # essential packages and apt",
        "    packages: # and these; add what your server needs",
        *(f"      - {package}" for package in packages),
    ]
    system = [
        "system:",
        f"  hostname: {_text(answers.hostname)}",
        "  # Nobody can log in with a password unless one is set. It is never written here as it is, only as a hash:",
        '  # export ROOT_PW="$(openssl passwd -6)", and then',
        "  # root_password: { env: ROOT_PW }",
    ]
    boot = [
        "boot: # becomes /boot/grub/menu.lst",
        "  timeout: 3 # seconds",
        '  command_line: "ro console=hvc0" # hvc0 is Xen\'s console; root=… is added',
    ]
    return _recipe(answers.name, rootfs, _new_disk(answers), system, boot)


def _new_disk(answers: Answers) -> list[str]:
    computed = ["  # size: 4GiB # left out: as large as the content needs,", "  free: 20% # and this much more"]
    size = [f"  size: {answers.size}"] if answers.size else computed
    root = f"{{ type: {answers.filesystem}, label: root }}"
    lines = ["disk:", f"  layout: {answers.layout} # {_LAYOUT_WORDS[answers.layout]}", *size]
    if answers.layout == "hd0":
        return [*lines, f"  filesystem: {root}"]
    lines += ["  table: mbr", "  partitions: # in the order on the disk"]
    boot = "    - { mount: /boot, size: 256MiB, filesystem: ext3 } # the loader reads it: ext2 or ext3 is safest"
    if answers.lvm:
        return [
            *lines,
            boot,
            "    - { size: rest, volume_group: vg0 } # all that is left becomes a physical volume",
            "  volume_groups:",
            "    vg0:",
            f"      - {{ name: root, size: rest, mount: /, filesystem: {root} }}",
            "      # - { name: swap, size: 512MiB, filesystem: swap } # give the disk a size then",
        ]
    separate = answers.filesystem not in EXT_TYPES
    return [*lines, *([boot] if separate else []), f"    - {{ size: rest, mount: /, filesystem: {root} }}"]


def from_image(found: FoundImage) -> str:
    """The recipe of an image like one that exists, with that one's tree."""
    rootfs = ["rootfs: # the tree inside this image; its own /boot/grub, fstab and network names are written again",
              f"  image: {_text(found.image)}"]  # fmt: skip
    layout: Layout = "hd00" if found.table else "hd0"
    disk = ["disk:", f"  layout: {layout} # {_LAYOUT_WORDS[layout]}", f"  size: {found.size} # as it was"]
    if layout == "hd0":
        disk.append(f"  filesystem: {_filesystem(found.partitions[0])}")
    else:
        disk += [f"  table: {found.table}", "  partitions:", *(f"    - {_part(part)}" for part in found.partitions)]
    if found.groups:
        disk.append("  volume_groups:")
        for group, volumes in found.groups:
            disk += [f"    {_text(group)}:", *(f"      - {_part(volume)}" for volume in volumes)]
    boot = ["boot: # as its menu.lst said"]
    boot += [f"  timeout: {found.timeout}"] if found.timeout is not None else ["  timeout: 3 # its menu waited forever"]
    boot += [f"  default: {found.default}"] if found.default else []
    if found.command_line:
        boot.append(f"  command_line: {_text(found.command_line)} # root=… is added")
    boot.append("  # kernels: left out, every kernel found in the tree, the newest first")
    return _recipe(found.name, rootfs, disk, [], boot)


def _recipe(name: str, *parts: list[str]) -> str:
    head = ["# yaml-language-server: $schema=recipe.schema.json",
            "# Written by `imagebuild init`; the schema comes from `imagebuild schema > recipe.schema.json`.", "",
            "# Name of the image and its files. Filesystem UUIDs come from it.", f"name: {_text(name)}",
            "architecture: x86_64"]  # fmt: skip
    check = ["verify: # each boot must show this text on the console", '  qemu: { expect: "login:" }',
             '  xen: { expect: "login:" }']  # fmt: skip
    blocks = ["\n".join(part) for part in (head, *parts, check) if part]
    return "\n\n".join(blocks) + "\n"


def _part(part: FoundFilesystem) -> str:
    if part.group:
        return f"{{ size: {part.size}, volume_group: {_text(part.group)} }}"
    words = [f"name: {_text(part.name)}"] if part.name else []
    words += [f"size: {part.size}"]
    words += [f"mount: {_text(part.mount)}"] if part.mount else []
    return "{ " + ", ".join([*words, f"filesystem: {_filesystem(part)}"]) + " }"


def _filesystem(part: FoundFilesystem) -> str:
    return f"{{ type: {part.type}, label: {_text(part.label)} }}" if part.label else part.type


def _text(value: str) -> str:
    """A text as YAML: JSON's quotes are YAML's, too."""
    return json.dumps(value, ensure_ascii=False)
