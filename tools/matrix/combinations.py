"""Every combination of layout and filesystem that is built and booted by `make matrix`, as data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

ROOTFS: dict[str, Any] = {
    "debian": {
        "suite": "bookworm",
        "variant": "minbase",
        "packages": ["linux-image-amd64", "initramfs-tools", "systemd-sysv", "udev", "dbus", "lvm2"],
    }
}
# On a busy machine without KVM the console's device may be later than systemd's 90 s, and no login prompt comes then.
# A busy machine needs more than 90 s for a device; read by newer systemds, Debian 12's 252 passes it over.
COMMAND_LINE = "ro console=hvc0 systemd.default_device_timeout_sec=900"
TYPES = ("ext2", "ext3", "ext4", "xfs", "btrfs", "reiserfs")
_SWAP = {"size": "64MiB", "filesystem": "swap"}
_BOOT = {"mount": "/boot", "size": "256MiB", "filesystem": "ext3"}


@dataclass(frozen=True)
class Combination:
    """One image. `layout`, `boot` and `root` are its row's words in the table; `disk` and `loader` go into the recipe.

    `refused`: it must not be planned, and these words are a part of the reason.
    """

    name: str
    layout: str
    boot: str
    root: str
    disk: dict[str, Any]
    loader: str = "pv-grub"
    refused: str = ""
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def recipe(self) -> dict[str, Any]:
        return {
            "name": f"matrix-{self.name}",
            "rootfs": ROOTFS,
            "disk": self.disk,
            "system": {"hostname": "matrix"},
            "boot": {"loader": self.loader, "command_line": COMMAND_LINE},
            **self.more,
        }

    @property
    def judge(self) -> str:
        """The loader to verify with: a Btrfs /boot has only GRUB 2's word (the public PV-GRUB does not read it)."""
        return "pvgrub2" if self.boot == "btrfs" else self.loader


def _whole(kind: str) -> Combination:
    return Combination(
        f"hd0-{kind}", "hd0", kind, "same", {"layout": "hd0", "filesystem": {"type": kind, "label": "root"}}
    )


def _one_partition(kind: str) -> Combination:
    disk = {"layout": "hd00", "table": "mbr", "partitions": [{"mount": "/", "size": "rest", "filesystem": kind}]}
    return Combination(f"mbr-{kind}", "hd00, MBR", kind, "same", disk)


def _separate_boot(kind: str) -> Combination:
    boot = {"mount": "/boot", "size": "400MiB" if kind == "xfs" else "256MiB", "filesystem": kind}
    root = {"mount": "/", "size": "rest", "filesystem": "ext4"}
    disk = {"layout": "hd00", "table": "gpt", "partitions": [boot, root, _SWAP]}
    return Combination(f"gpt-{kind}", "hd00, GPT", kind, "ext4", disk)


def _lvm(kind: str, *, table: str = "mbr", partitions: int = 1, **volume: Any) -> Combination:
    parts = [{"size": "rest", "volume_group": "vg0"}]
    if partitions == 2:
        parts = [{"size": "900MiB", "volume_group": "vg0"}, *parts]
    root = {"name": "root", "size": "rest", "mount": "/", "filesystem": kind, **volume}
    swap = {"name": "swap", "size": "64MiB", "filesystem": "swap"}
    size = "2100MiB" if partitions == 2 else None
    disk = {"layout": "hd00", "table": table, "size": size, "partitions": [_BOOT, *parts]}
    words = f"{kind} on LVM" + (f", {volume['type']} over {partitions}" if "type" in volume else "")
    name = f"lvm-{volume.get('type', 'linear')}-{kind}"
    return Combination(name, f"hd00, {table.upper()}", "ext3", words, {**disk, "volume_groups": {"vg0": [root, swap]}})


def _subvolumes() -> Combination:
    root = {"type": "btrfs", "subvolumes": {"@": "/", "@home": "/home"}, "mount_options": "noatime"}
    disk = {"layout": "hd00", "size": "1900MiB", "partitions": [_BOOT, {"size": "rest", "filesystem": root}]}
    return Combination("subvolumes", "hd00, MBR", "ext3", "btrfs, subvolumes", disk)


def _many_volumes() -> Combination:
    """Several groups, volumes and filesystems at once."""
    volumes = {
        "vg0": [
            {"name": "root", "size": "1300MiB", "mount": "/", "filesystem": {"type": "ext4", "label": "root"}},
            {"name": "var", "size": "rest", "mount": "/var", "filesystem": "xfs"},
        ],
        "vg1": [
            {"name": "home", "size": "60%", "mount": "/home", "filesystem": {"type": "btrfs", "label": "home"}},
            {"name": "srv", "size": "rest", "mount": "/srv", "filesystem": {"type": "ext2", "mkfs": ["-i 65536"]}},
            {"name": "swap", "size": "64MiB", "filesystem": {"type": "swap", "label": "swap"}},
        ],
    }
    parts = [_BOOT, {"size": "1900MiB", "volume_group": "vg0"}, {"size": "rest", "volume_group": "vg1"}]
    disk = {"layout": "hd00", "table": "gpt", "size": "2800MiB", "partitions": parts, "volume_groups": volumes}
    return Combination("many-volumes", "hd00, GPT", "ext3", "ext4 on LVM, /var XFS, /home Btrfs, /srv ext2", disk)


_REFUSED = (
    Combination("refused-lvm-boot", "hd00, MBR", "ext4 on LVM", "same",
                {"layout": "hd00", "size": "2GiB", "partitions": [{"size": "rest", "volume_group": "vg0"}],
                 "volume_groups": {"vg0": [{"name": "root", "size": "rest", "mount": "/", "filesystem": "ext4"}]}},
                refused="cannot read inside LVM"),
    Combination("refused-second", "hd00, MBR", "ext4, second partition", "ext4",
                {"layout": "hd00", "size": "2GiB", "partitions": [{"size": "rest", "mount": "/", "filesystem": "ext4"},
                                                                  _BOOT]},
                refused="boot partition first"),
    Combination("refused-xfs-v5", "hd0", "xfs V5", "same",
                {"layout": "hd0", "filesystem": {"type": "xfs", "mkfs": ["-m crc=1"]}}, refused="XFS V4 only"),
    Combination("refused-64bit", "hd0", "ext4 with 64bit", "same",
                {"layout": "hd0", "filesystem": {"type": "ext4", "mkfs": ["-O 64bit"]}}, refused="Error 14"),
    Combination("refused-btrfs-pygrub", "hd0", "btrfs", "same", {"layout": "hd0", "filesystem": "btrfs"},
                loader="pygrub", refused="no reader for Btrfs"),
    Combination("refused-subvolumes", "hd0", "btrfs, subvolumes", "same",
                {"layout": "hd0", "filesystem": {"type": "btrfs", "subvolumes": {"@": "/"}}},
                refused="top-level volume"),
    Combination("refused-thin", "hd00, MBR", "ext3", "ext4 on LVM, thin",
                {"layout": "hd00", "size": "2GiB", "partitions": [_BOOT, {"size": "rest", "volume_group": "vg0"}],
                 "volume_groups": {"vg0": [{"name": "root", "size": "rest", "mount": "/", "filesystem": "ext4",
                                            "type": "thin"}]}},
                refused="imagebuild does not make thin volumes"),
)  # fmt: skip

COMBINATIONS: tuple[Combination, ...] = (
    *map(_whole, TYPES),
    *map(_one_partition, TYPES),
    *map(_separate_boot, TYPES),
    *(_lvm(kind) for kind in ("ext4", "xfs", "btrfs")),
    _lvm("ext4", table="gpt", partitions=2, type="striped"),
    _subvolumes(),
    _many_volumes(),
    *_REFUSED,
)
