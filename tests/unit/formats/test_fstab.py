"""Lines of an fstab, and what the boot asks of each."""

from __future__ import annotations

import pytest

from imagebuild.formats.fstab import Dependency, FstabLine, needs, read_fstab, udev_path


def test_lines_are_read_as_glibc_reads_them() -> None:
    text = "# comment\n\n \tLABEL=my\\040data\t/a\\134b  ext4 ro,nofail\\,x 1 2 \n"
    text += "/dev/x /y\nx\n#no\na\\101 /b auto # why\n"
    assert read_fstab(text) == (
        FstabLine(3, "LABEL=my data", "/a\\b", "ext4", "ro,nofail\\,x", 2),
        FstabLine(4, "/dev/x", "/y", "", ""),
        FstabLine(5, "x", "", "", ""),
        FstabLine(7, "a\\101", "/b", "auto", "#"),
    )


def test_a_line_is_cut_where_its_buffer_ends() -> None:
    [line] = read_fstab("UUID=x /data ext4 " + "a," * 2100 + "nofail 0 2\n")
    assert not line.has("nofail")


def test_bytes_that_are_no_utf_8_do_not_stop_it() -> None:
    [line] = read_fstab(b"LABEL=\xff /data ext4\n".decode("utf-8", "surrogateescape"))
    assert udev_path(line.source) == "/dev/disk/by-label/\\xff"


@pytest.mark.parametrize(
    ("line", "need", "why"),
    [
        ("UUID=x /data ext4 defaults 0 2", "required", "local-fs.target"),
        ("UUID=x /data ext4", "required", "local-fs.target"),
        ("UUID=x /data", "required", "local-fs.target"),
        ("/dev/disk/by-uuid/x /data ext4 defaults", "required", "local-fs.target"),
        ("UUID=x /data ext4 nofail", "wanted", "nofail"),
        ("UUID=x /data ext4 nofail,fail", "required", ""),
        ("UUID=x /data ext4 noauto", "none", "noauto"),
        ("UUID=x /data ext4 noauto,auto", "required", ""),
        ("UUID=x /data ext4 nobootwait", "required", ""),
        ("UUID=x /data ext4 x-systemd.automount", "wanted", "first used"),
        ("UUID=x /data ext4 noauto,comment=systemd.automount", "wanted", "first used"),
        ("UUID=x /data ext4 x-systemd.wanted-by=multi-user.target", "wanted", ""),
        ("UUID=x /data ext4 x-systemd.required-by=local-fs.target", "required", ""),
        ("UUID=x /data ext4 x-systemd.requires=", "none", "names no unit"),
        ("UUID=x /data ext4 x-systemd.device-timeout", "none", "crashes"),
        ("UUID=x /data ext4 _netdev", "wanted", "network"),
        ("host:/x /data nfs bg", "wanted", "network"),
        ("UUID=x none swap sw", "wanted", "90 s"),
        ("UUID=x none swap noauto", "none", "noauto"),
        ("UUID=x / ext4 nofail", "wanted", "root"),
        ("UUID=x /usr ext4 nofail", "required", "initrd"),
        ("tmpfs /dev/shm tmpfs", "none", "systemd mounts"),
        ("UUID=x none ext4", "none", "no path"),
        ("auto.x /net autofs", "none", "autofs"),
    ],
)
def test_needs(line: str, need: str, why: str) -> None:
    [found] = needs(read_fstab(line))
    assert found.need == need
    assert why in found.why


def test_the_first_line_for_a_place_wins() -> None:
    first, second, third = needs(read_fstab("UUID=a /data ext4 noauto\nUUID=b //data/ ext4\nUUID=c /home ext4\n"))
    assert (first.need, second.need, third.need) == ("none", "none", "required")
    assert "line 1" in second.why


def test_nothing_is_read_behind_a_crash() -> None:
    _, after = needs(read_fstab("UUID=a /data ext4 x-systemd.mount-timeout\nUUID=b /home ext4\n"))
    assert "crashes at line 1" in after.why


def test_a_newer_systemd() -> None:
    lines = read_fstab("UUID=a /usr ext4 nofail\nUUID=b none swap _netdev\nUUID=c /c ext4 x-systemd.automount,"
                       "x-systemd.wanted-by=a.target\n")  # fmt: skip
    assert [need.dependencies for need in needs(lines, systemd=257)] == [
        (Dependency("local-fs.target", "requires", "mount"),),
        (Dependency("remote-fs.target", "requires", "swap"),),
        (Dependency("a.target", "wants", "automount"),),
    ]
