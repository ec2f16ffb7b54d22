"""What a tree brings along that would be in the new image's way: other loaders' menus, and an old machine's traces.

Only what is there is removed, and the plan names each with its reason. Sources: what each loader reads before menu.lst
(bootloaders/); initramfs-tools(7), lvmdevices(8).
"""

from __future__ import annotations

from imagebuild.bootloaders.table import PICKY
from imagebuild.families.table import conventions
from imagebuild.plan.facts import TreeFacts
from imagebuild.plan.steps import BootstrapDebian, Edit, MakeLink, Remove, TakeImage, TreeSource, WriteFile

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
# Of a machine that has run, and that the image is not: udev would rename the new machine's network device.
_OF_A_MACHINE = {
    "/etc/udev/rules.d/70-persistent-net.rules": "it names the old machine's network devices",
    "/etc/udev/rules.d/70-persistent-cd.rules": _OTHER_DISK,
}
# sshd's own, drawn by the package's installation: another one in each bootstrap, and everybody's who has the image.
_HOST_KEYS = tuple(
    f"/etc/ssh/ssh_host_{kind}_key{end}" for kind in ("dsa", "ecdsa", "ed25519", "rsa") for end in ("", ".pub")
)
_SSH_PATH = "/etc/systemd/system/ssh.service.d/host-keys.conf"
# The empty ExecStartPre takes away Debian's own, which refuses to go on without keys (systemd.service(5)).
_SSH_DROP_IN = """\
# Each machine makes its own host keys when it starts sshd for the first time.
[Service]
ExecStartPre=
ExecStartPre=/usr/bin/ssh-keygen -A
ExecStartPre=/usr/sbin/sshd -t
"""
_MTAB, _MACHINE_ID, _SECOND_BOOT, _GRUB_CONF = "/etc/mtab", "/etc/machine-id", "/boot/boot", "/boot/grub/grub.conf"
# What build/ looks out for in a tree (TreeFacts.noted).
WATCHED = (*_ALWAYS, *_OF_A_MACHINE, *_HOST_KEYS, _MTAB, _MACHINE_ID, _SECOND_BOOT)


def tidying(facts: TreeFacts | None, source: TreeSource, *, separate_boot: bool) -> tuple[Edit, ...]:
    """The edits to do first, before anything of the recipe's own is written. None while the tree is not known."""
    if facts is None:
        return ()
    noted = {item.path: item.kind for item in facts.noted}
    from_machine = isinstance(source, TakeImage)
    reasons = _ALWAYS | (_OF_A_MACHINE if from_machine else {})
    if noted.get(_MTAB) == "file":
        reasons = {**reasons, _MTAB: "it lists what was mounted in the old machine"}
    if separate_boot and noted.get(_SECOND_BOOT) == "directory":
        reasons = {**reasons, _SECOND_BOOT: "an older image's menu lies there, and a link belongs in its place"}
    keys = [path for path in _HOST_KEYS if path in noted] if isinstance(source, BootstrapDebian) else []
    reasons = reasons | dict.fromkeys(keys, "each machine makes its own")
    edits: list[Edit] = [Remove(path=path, reason=reason) for path, reason in reasons.items() if path in noted]
    if from_machine and noted.get(_MACHINE_ID) == "file":
        # Empty, not missing: systemd then gives each machine its own at its first boot (machine-id(5)).
        edits.append(WriteFile(path=_MACHINE_ID, content="", mode=0o444))
    if keys:
        edits.append(WriteFile(path=_SSH_PATH, content=_SSH_DROP_IN))
    return tuple(edits)


def grub_conf_link(facts: TreeFacts | None) -> tuple[Edit, ...]:
    """grub.conf as a link to menu.lst, where a family's tools write new kernels into grub.conf."""
    if facts is None or not conventions(facts.family).grub_conf:
        return ()
    return (MakeLink(path=_GRUB_CONF, target="menu.lst"),)
