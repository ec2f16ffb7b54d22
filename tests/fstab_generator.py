"""systemd's own fstab generator as a judge: fstabs in, the units that each target pulls in out.

It runs in a mount namespace of its own with a bare root, because it leaves swap out in what looks like a container
(/.dockerenv), and follows links of mountpoints.
"""

from __future__ import annotations

import random
import re
import subprocess
from pathlib import Path

from imagebuild.formats.fstab import FstabNeed

GENERATOR = Path("/usr/lib/systemd/system-generators/systemd-fstab-generator")
SYSTEMD = "/usr/lib/systemd/systemd"
_SWAP_OF_Q = "dev-disk-by\\x2dlabel-q.swap"
_ROOM = (
    """\
set -eu
root=$1 work=$2
mount -t tmpfs none "$root"
mkdir "$root/usr" "$root/proc" "$root/sys" "$root/fstabs" "$root/etc"
for name in bin sbin lib lib64; do ln -s "usr/$name" "$root/$name"; done
mount --rbind /usr "$root/usr"; mount --rbind /proc "$root/proc"; mount --rbind /sys "$root/sys"
mount --bind "$work" "$root/fstabs"
chroot "$root" /bin/sh -c '
for fstab in /fstabs/*.fstab; do
  out=${fstab%.fstab}; mkdir "$out" "$out.early" "$out.late"
  cd /
  SYSTEMD_FSTAB=$fstab SYSTEMD_SYSFS_CHECK=0 SYSTEMD_PROC_CMDLINE= SYSTEMD_IN_INITRD=0 SYSTEMD_LOG_TARGET=console \\
    """
    + str(GENERATOR)
    + """ "$out" "$out.early" "$out.late" 2> "$out.log" || echo "exit code $?" >> "$out.log"
done'
"""
)


def version() -> int:
    """Of this machine's systemd, whose generator judges."""
    said = subprocess.run([SYSTEMD, "--version"], capture_output=True, text=True, check=True).stdout
    found = re.match(r"systemd (\d+)", said)
    assert found is not None, said
    return int(found[1])


# (target, requires or wants, unit's file name)
Links = frozenset[tuple[str, str, str]]


def judge(fstabs: list[str], folder: Path) -> list[Links]:
    """What the generator makes of each fstab; its log is beside (`NUMBER.log`)."""
    root, work = folder / "root", folder / "work"
    root.mkdir()
    work.mkdir()
    for number, text in enumerate(fstabs):
        (work / f"{number:05}.fstab").write_bytes(text.encode("utf-8", "surrogateescape"))
    argv = ["unshare", "--map-root-user", "--mount", "sh", "-c", _ROOM, "sh", str(root), str(work)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    return [_links(work / f"{number:05}") for number in range(len(fstabs))]


def judges_swap(folder: Path) -> bool:
    """Whether it takes swap here: since 257 a process namespace alone is a container to it, and there it takes none."""
    folder.mkdir()
    return bool(judge(["LABEL=q none swap sw 0 0\n"], folder)[0] & {("swap.target", "requires", _SWAP_OF_Q)})


def _links(out: Path) -> Links:
    found = set()
    for path in out.rglob("*"):
        target, dot, kind = str(path.parent.relative_to(out)).rpartition(".")
        if path.is_symlink() and dot and kind in ("requires", "wants") and path.name.endswith(_UNITS):
            found.add((target, kind, path.name))
    return frozenset(found)


_UNITS = (".mount", ".automount", ".swap")


def expected(needs: tuple[FstabNeed, ...]) -> Links:
    """The same, as the project reads the fstab."""
    return frozenset(
        (link.target, link.kind, f"{escaped(need.name)}.{link.unit}") for need in needs for link in need.dependencies
    )


def escaped(name: str) -> str:
    """unit_name_escape: `/` becomes `-`, all but letters, digits and `:_.` becomes \\xNN, so does a dot in front."""
    if name == "-":
        return "-"
    shown = ""
    for position, byte in enumerate(name.encode("utf-8", "surrogateescape")):
        char = chr(byte)
        if char == "/":
            shown += "-"
        elif byte < 128 and (char.isalnum() or char in ":_" or (char == "." and position)):
            shown += char
        else:
            shown += f"\\x{byte:02x}"
    return shown


_SOURCES = (
    "UUID=0f0f0f0f-1111-4222-8333-444444444444", 'UUID="0f0f0f0f-1111"', "UUID=ABCD-1234", "LABEL=data", "LABEL=/",
    "LABEL=my\\040data", "LABEL='q'", "PARTUUID=12345678-01", "PARTLABEL=swap\\134x", "/dev/xvda1", "/dev/xvdb",
    "/dev/xvda3", "/dev/mapper/vg-root", "/dev/vg/data", "/dev/disk/by-uuid/99999999", "/dev//xvdc", "/dev/../dev/xvdc",
    "tmpfs", "none", "proc", "sysfs", "devpts", "overlay", "/swapfile", "/srv/image.iso", "/home/data", "host:/export",
    "//server/share", "LABEL=\u00e4", "UUID=", "ID=x", "/sys/kernel/debug", "systemd-1", "zram0", "a\\011b", "x\\99y",
)  # fmt: skip
_MOUNTPOINTS = (
    "/", "/usr", "/boot", "/data", "/data/", "//data", "/data/./more", "/mnt", "/home", "/var", "/srv/my\\040files",
    "/tmp", "none", "swap", "-", "/proc", "/sys", "/dev/shm", "/dev/pts", "/run", "/run/lock", "/sys/fs/cgroup/cpu",
    "/sys/fs/selinux", "/sys/kernel/debug", "/run/host/x", "/media/cd-rom", "/opt/.hidden", "relative/place",
    "/a\\134b", "/dev/mqueue", "/proc/bus/usb", "/\u00e4", "/x:y", "/a@b", "/data/more",
)  # fmt: skip
_TYPES = (
    "ext3", "ext4", "xfs", "btrfs", "auto", "swap", "tmpfs", "nfs", "nfs4", "cifs", "vfat", "proc", "sysfs", "devpts",
    "none", "bind", "autofs", "fuse.sshfs", "fuse.glusterfs", "iso9660", "udf,iso9660", "overlay", "ext4\r", "SWAP",
)  # fmt: skip
_OPTIONS = (
    "defaults", "noauto", "auto", "nofail", "fail", "ro", "rw", "noatime", "sw", "_netdev", "bind", "rbind", "user",
    "loop", "nobootwait", "comment=cloudconfig", "x-systemd.automount", "comment=systemd.automount",
    "x-systemd.device-timeout=5", "x-systemd.requires=network.target", "x-systemd.requires=", "x-systemd.requires",
    "x-systemd.after=/data", "x-systemd.before=x.service", "x-systemd.requires-mounts-for=/data",
    "x-systemd.wanted-by=multi-user.target",
    "x-systemd.required-by=local-fs.target", "x-systemd.required-by=other.service", "x-systemd.makefs",
    "x-systemd.growfs", "x-initrd.mount", "bg", "fg", "pri=5", "subvol=@", "nofail\\,x", "noauto=1", "x-noauto",
    "NOFAIL",
    "uid=1000", "mode=620", "x-systemd.rw-only", "x-systemd.idle-timeout=1min", "x-systemd.mount-timeout=30",
    "errors=remount-ro", "usrquota", "",
    "nofail\r", "discard=async", "x-systemd.device-timeout", "x-systemd.wanted-by=", "x-systemd.idle-timeout",
    "x-systemd.before=a b", "x-systemd.requires=/a/../b", "x-systemd.requires=-.mount", "x-systemd.after=", "a\\,b",
)  # fmt: skip
_BETWEEN = (" ", "\t", "  ", " \t ", "\t\t")


def generated(seed: int, count: int) -> list[str]:
    """Fstabs out of a grammar and mutations, the same for the same seed."""
    source = random.Random(seed)
    return [_fstab(source) for _number in range(count)]


def _fstab(source: random.Random) -> str:
    lines = [_line(source) for _number in range(source.randint(1, 7))]
    text = "\n".join(lines) + source.choice(("\n", "\n", "\n", "", "  "))
    return text if source.random() < 0.7 else _mutated(source, text)


def _line(source: random.Random) -> str:
    kind = source.random()
    if kind < 0.08:
        return source.choice(("", "# comment", "   # comment", "\t", "#UUID=x /data ext4", " ", "\r", "# ends in \\"))
    options = ",".join(source.choice(_OPTIONS) for _number in range(source.choice((1, 1, 1, 2, 2, 3, 4))))
    is_swap = source.random() < 0.15
    fields = [
        source.choice(_SOURCES),
        source.choice(("none", "swap", "/x")) if is_swap else source.choice(_MOUNTPOINTS),
        "swap" if is_swap else source.choice(_TYPES),
        options or "defaults",
        source.choice("01"),
        source.choice("012"),
    ]
    fields = fields[: source.choice((6, 6, 6, 6, 4, 4, 3, 3, 5, 2, 1))]
    return (
        source.choice(("", "", "", " ", "\t"))
        + "".join(field + source.choice(_BETWEEN) for field in fields[:-1])
        + fields[-1]
        + source.choice(("", "", "", " ", " # why", "\r"))
    )


def _mutated(source: random.Random, text: str) -> str:
    for _number in range(source.randint(1, 3)):
        at = source.randrange(len(text) + 1)
        match source.randrange(5):
            case 0:
                text = text[:at] + text[at + 1 :]
            case 1:
                text = text[:at] + source.choice(" \t,#\\=/\n.x-") + text[at:]
            case 2:
                text = text[:at] + text[at : at + source.randint(1, 12)] * 2 + text[at:]
            case 3:
                other = source.randrange(len(text) + 1)
                text = text[:at] + text[other : other + 15] + text[at:]
            case _:
                text = text[:at] + source.choice(_OPTIONS) + text[at:]
    return text if ".." not in text.replace("/dev/../dev", "") else text.replace("..", ".")
