"""system.grow_root: a systemd unit and a script in the tree, by which the root fills a larger disk at the first boot.

Everything but the devices' names is decided here: under PV-GRUB, Xen and QEMU a disk is called xvda1 (EC2's hd0: a disk
of that name without a partition table), xvda, vda or sda. So the script asks what / is mounted from.

Sources: filesystems/ for growing a mounted filesystem; sfdisk(8) from util-linux 2.30 (2017); partx(8); the way
cloud-utils' growpart takes: the table is dumped, the last partition's size (with GPT also the last usable sector) left
out, and the table written again.
"""

from __future__ import annotations

from imagebuild.errors import PlanError
from imagebuild.filesystems.table import FILESYSTEMS
from imagebuild.plan.areas import Area, DiskModel
from imagebuild.plan.facts import TreeFacts
from imagebuild.plan.steps import Edit, MakeLink, WriteFile
from imagebuild.plan.tools import (
    FINDMNT,
    LVM,
    PARTX,
    SFDISK,
    SYSTEMD,
    Tool,
    package_of,
    place_of,
)

KEY = "system.grow_root"
SCRIPT_PATH = "/usr/lib/imagebuild/grow-root"
DONE_PATH = "/var/lib/imagebuild/grow-root.done"
_UNIT_NAME = "imagebuild-grow-root.service"
_UNIT_PATH = f"/etc/systemd/system/{_UNIT_NAME}"
_WANTED_PATH = f"/etc/systemd/system/multi-user.target.wants/{_UNIT_NAME}"
_UNIT = f"""\
# Written by imagebuild (system.grow_root).
[Unit]
Description=Grow the root filesystem to fill the disk, once
ConditionPathExists=!{DONE_PATH}
RequiresMountsFor=/var/lib
Before=systemd-user-sessions.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={SCRIPT_PATH}
StandardOutput=journal+console
StandardError=journal+console

[Install]
WantedBy=multi-user.target
"""
_HEAD = f"""\
#!/bin/sh
# Written by imagebuild (system.grow_root): makes the root filesystem fill the disk, once, at the first boot.
# To have it done again, on another disk: remove {DONE_PATH}
set -eu
PATH=/usr/sbin:/usr/bin:/sbin:/bin
export PATH
"""
_TAIL = f"""\
mkdir -p {DONE_PATH.rpartition("/")[0]}
: > {DONE_PATH}
set -- $(df -kP / | tail -n 1)
echo "imagebuild: the root filesystem has $2 KiB now"
"""
# [/subvolume] stands behind the device of a Btrfs.
_MOUNTED_FROM = "device=$(readlink -f \"$(findmnt -n -o SOURCE / | sed 's/\\[.*//')\")\n"
_GROW_PARTITION = """\
name=${device##*/}
disk=$(readlink -f "/sys/class/block/$name/..")
disk=/dev/${disk##*/}
table=$(sfdisk --dump "$disk")
echo "$table" | sed -e '/^last-lba:/d' -e "\\|^$device |s/ size= *[0-9]*,//" |
    sfdisk --quiet --force --no-reread --no-tell-kernel --wipe never --wipe-partitions never "$disk"
partx --update --nr "$(cat "/sys/class/block/$name/partition")" "$disk"
"""


def grow_edits(disk: DiskModel, facts: TreeFacts | None) -> list[Edit]:
    """The unit, its link, and the script. Raises PlanError where the root cannot grow, or the tree lacks a tool."""
    root = disk.root
    assert root is not None
    assert root.filesystem is not None
    growing = FILESYSTEMS[root.filesystem.type].grow
    if growing is None:
        able = ", ".join(item.name for item in FILESYSTEMS.values() if item.grow)
        raise PlanError(
            KEY,
            f"the root is a {root.filesystem.type}, and growing a mounted one has not been proven",
            resolution=f"use {able}, or leave grow_root out",
        )
    before, tools = _before_filesystem(disk, root)
    _check_tools((SYSTEMD, *tools, Tool(growing.program, growing.package)), facts)
    return [
        WriteFile(path=SCRIPT_PATH, content=f"{_HEAD}{before}{growing.line}\n{_TAIL}", mode=0o755),
        WriteFile(path=_UNIT_PATH, content=_UNIT),
        MakeLink(path=_WANTED_PATH, target=_UNIT_PATH),
    ]


def _before_filesystem(disk: DiskModel, root: Area) -> tuple[str, tuple[Tool, ...]]:
    """The script until the root's device has grown, and the tools that it needs."""
    if not disk.spec.is_partitioned:
        return _MOUNTED_FROM, (FINDMNT,)
    last = disk.partitions[-1]
    if root.volume is None:
        if root.place != last.place:
            raise _not_last(root, last)
        return _MOUNTED_FROM + _GROW_PARTITION, (FINDMNT, SFDISK, PARTX)
    group = root.place.partition("/")[0]
    if last.volume_group != group:
        raise _not_last(root, last)
    if root.volume.type == "striped":
        raise PlanError(
            KEY,
            f"{root.place} is striped, and only the last physical volume grows with the disk",
            resolution="make it linear, or leave grow_root out",
        )
    return _grow_volume(group, root.place, len(disk.partitions)), (SFDISK, PARTX, LVM)


def _grow_volume(group: str, volume: str, number: int) -> str:
    """Grow the group's last partition, its physical volume, and the volume by all that is free then."""
    return f"""\
for found in $(lvm vgs --noheadings -o pv_name {group}); do
    found=$(readlink -f "$found")
    if [ "$(cat "/sys/class/block/${{found##*/}}/partition")" = {number} ]; then device=$found; fi
done
{_GROW_PARTITION}lvm pvresize "$device"
if [ "$(lvm vgs --noheadings -o vg_free_count {group} | tr -d ' ')" != 0 ]; then
    lvm lvextend -l +100%FREE {volume}
fi
device=/dev/{volume}
"""


def _not_last(root: Area, last: Area) -> PlanError:
    group = root.place.partition("/")[0]
    where = f"volume group {group} of the root has no part in it" if root.volume else f"the root is in {root.key}"
    return PlanError(
        KEY,
        f"only the last partition grows with the disk ({last.key}), and {where}",
        resolution="put the root's partition last in disk.partitions, or leave grow_root out",
    )


def _check_tools(tools: tuple[Tool, ...], facts: TreeFacts | None) -> None:
    if facts is None:
        return
    lacking = [tool for tool in tools if place_of(tool, facts) is None]
    if SYSTEMD in lacking:
        raise PlanError(
            KEY,
            "it needs systemd, which the tree does not have",
            resolution="leave grow_root out, and use an init script of your own (files, or scripts)",
        )
    if lacking:
        packages = dict.fromkeys(package_of(tool, facts) for tool in lacking)
        raise PlanError(
            KEY,
            f"the tree lacks {', '.join(tool.name for tool in lacking)}, which it needs",
            resolution=f"install in the tree: {', '.join(packages)}",
        )
