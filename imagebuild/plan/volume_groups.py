"""Volume groups that the root is not in: a systemd unit in the tree that activates them before they are mounted.

Debian 12's lvm2 activates a group by a udev event alone (69-lvm.rules, `pvscan --vgonline`), in the initial ramdisk or
in the system, whichever sees the disk's event first. An image with two groups was seen, now and then, to wait 90 s in
vain for the second one's volumes and to end in emergency mode, under QEMU and under Xen (which of the two lost the
event was not found out).
vgchange(8) without --autoactivation asks the disks, and does nothing where a group is active already.
"""

from __future__ import annotations

from imagebuild.plan.areas import DiskModel
from imagebuild.plan.facts import TreeFacts
from imagebuild.plan.steps import Edit, MakeLink, WriteFile
from imagebuild.plan.tools import LVM, SYSTEMD, place_of

_UNIT_NAME = "imagebuild-volume-groups.service"
_UNIT_PATH = f"/etc/systemd/system/{_UNIT_NAME}"
_WANTED_PATH = f"/etc/systemd/system/sysinit.target.wants/{_UNIT_NAME}"


def activation_edits(disk: DiskModel, facts: TreeFacts | None) -> list[Edit]:
    """The unit and its link; none for a single group (the initial ramdisk activates the root's), or without systemd."""
    groups = [name for name in disk.spec.volume_groups if disk.root not in disk.volumes_of(name)]
    lvm = place_of(LVM, facts) if facts else None
    if not groups or facts is None or lvm is None or place_of(SYSTEMD, facts) is None:
        return []
    unit = f"""\
# Written by imagebuild: the volume groups that the root is not in.
[Unit]
Description=Activate the volume groups {" ".join(groups)}
DefaultDependencies=no
After=systemd-udevd.service
Before=local-fs-pre.target shutdown.target
Conflicts=shutdown.target
Wants=local-fs-pre.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={lvm} vgchange -aay {" ".join(groups)}

[Install]
WantedBy=sysinit.target
"""
    return [WriteFile(path=_UNIT_PATH, content=unit), MakeLink(path=_WANTED_PATH, target=_UNIT_PATH)]
