"""What a tree brings along that would be in the new image's way: other loaders' menus, and names of another machine's
devices. What each machine makes for itself is traces.py's.

Only what is there is removed, and the plan names each with its reason. Sources: what each loader reads before menu.lst
(bootloaders/); initramfs-tools(7), lvmdevices(8).
"""

from __future__ import annotations

from imagebuild.bootloaders.table import PICKY
from imagebuild.families.table import conventions
from imagebuild.plan.facts import TreeFacts
from imagebuild.plan.steps import Edit, MakeLink, Remove

_OTHER_DISK = "it names devices of another machine"
_ALWAYS = {
    **{path: f"{loader.title} would read it before menu.lst" for loader in PICKY for path in loader.before_menu},
    "/etc/blkid.tab": _OTHER_DISK,
    "/etc/blkid/blkid.tab": _OTHER_DISK,
    "/etc/lvm/cache/.cache": _OTHER_DISK,
    "/etc/lvm/devices/system.devices": "LVM would look at no other devices than those of the old machine",
    "/etc/initramfs-tools/conf.d/resume": "the initrd would wait for the old machine's swap",
    "/boot/grub/device.map": _OTHER_DISK,
}
_MTAB, _SECOND_BOOT, _GRUB_CONF = "/etc/mtab", "/boot/boot", "/boot/grub/grub.conf"
# What build/ looks out for in a tree (TreeFacts.noted).
WATCHED = (*_ALWAYS, _MTAB, _SECOND_BOOT)


def tidying(facts: TreeFacts | None, *, separate_boot: bool) -> tuple[Edit, ...]:
    """The edits to do first, before anything of the recipe's own is written. None while the tree is not known."""
    if facts is None:
        return ()
    noted = {item.path: item.kind for item in facts.noted}
    reasons = dict(_ALWAYS)
    if noted.get(_MTAB) == "file":
        reasons[_MTAB] = "it lists what was mounted in the old machine"
    if separate_boot and noted.get(_SECOND_BOOT) == "directory":
        reasons[_SECOND_BOOT] = "an older image's menu lies there, and a link belongs in its place"
    return tuple(Remove(path=path, reason=reason) for path, reason in reasons.items() if path in noted)


def grub_conf_link(facts: TreeFacts | None) -> tuple[Edit, ...]:
    """grub.conf as a link to menu.lst, where a family's tools write new kernels into grub.conf."""
    if facts is None or not conventions(facts.family).grub_conf:
        return ()
    return (MakeLink(path=_GRUB_CONF, target="menu.lst"),)
