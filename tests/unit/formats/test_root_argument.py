"""Names of devices and the root that a command line asks for."""

from __future__ import annotations

import pytest

from imagebuild.formats.device_name import DeviceName, read_device_name
from imagebuild.formats.root_argument import read_command_line, root_argument, root_of_initrd
from imagebuild.formats.xen_notes import guest_os
from tests.images import noise, xen_elf


@pytest.mark.parametrize(
    ("written", "kind", "value", "disk", "partition"),
    [
        ("UUID=ABCD-12", "uuid", "abcd-12", 0, None),
        ('UUID="ABCD-12"', "uuid", "abcd-12", 0, None),
        ("LABEL=/", "label", "/", 0, None),
        ("PARTUUID=12345678-01", "partuuid", "12345678-01", 0, None),
        ("PARTLABEL=root", "partlabel", "root", 0, None),
        ("/dev/disk/by-uuid/AB", "uuid", "ab", 0, None),
        (r"/dev/disk/by-label/my\x20root", "label", "my root", 0, None),
        (r"/dev/disk/by-label/\xc3\xa4", "label", "ä", 0, None),
        ("/dev/disk/by-partuuid/12345678-02", "partuuid", "12345678-02", 0, None),
        ("/dev/disk/by-partlabel/boot", "partlabel", "boot", 0, None),
        ("/dev/disk/by-id/ata-SERIAL-part1", "hardware", "ata-SERIAL-part1", 0, None),
        ("/dev/disk/by-id/dm-name-vg-root", "volume", "/dev/mapper/vg-root", 0, None),
        ("/dev/disk/by-path/pci-0000:00:1f.2-ata-1-part1", "hardware", "pci-0000:00:1f.2-ata-1-part1", 0, None),
        ("/dev/disk/by-path/xen-vbd-51712-part2", "disk", "xvd", 0, 2),
        ("/dev/disk/by-path/xen-vbd-2049", "disk", "sd", 0, 1),
        ("/dev/xvda1", "disk", "xvd", 0, 1),
        ("/dev/xvda", "disk", "xvd", 0, None),
        ("/dev/xvde1", "disk", "xvd", 4, 1),
        ("/dev/sdb3", "disk", "sd", 1, 3),
        ("/dev/sdaa", "disk", "sd", 26, None),
        ("/dev/hda2", "disk", "hd", 0, 2),
        ("/dev/vda1", "disk", "vd", 0, 1),
        ("/dev/nvme0n1p2", "disk", "nvme0n", 1, 2),
        ("/dev/mapper/my--vg-root", "volume", "/dev/mapper/my--vg-root", 0, None),
        ("/dev/vg/root", "volume", "/dev/vg/root", 0, None),
        ("/dev/cciss/c0d0p1", "path", "/dev/cciss/c0d0p1", 0, None),
        ("202:1", "disk", "xvd", 0, 1),
        ("202:16", "disk", "xvd", 1, None),
        ("ca01", "disk", "xvd", 0, 1),
        ("0x802", "disk", "sd", 0, 2),
        ("303", "disk", "hd", 0, 3),
        ("253:0", "number", "253:0", 0, None),
        ("fd00", "number", "fd00", 0, None),
        ("/dev/ram0", "ram", "/dev/ram0", 0, None),
        ("0100", "ram", "1:0", 0, None),
        ("/dev/nfs", "network", "/dev/nfs", 0, None),
        ("nfs:10.0.0.1:/x", "network", "nfs:10.0.0.1:/x", 0, None),
        ("/dev/root", "kernel", "/dev/root", 0, None),
        ("zfs=tank", "unknown", "zfs=tank", 0, None),
        ("/swapfile", "path", "/swapfile", 0, None),
        ("", "unknown", "", 0, None),
    ],
)
def test_names(written: str, kind: str, value: str, disk: int, partition: int | None) -> None:
    found = read_device_name(written)
    assert (found.kind, found.value, found.disk, found.partition) == (kind, value, disk, partition)


@pytest.mark.parametrize(("written", "offset"), [("PARTUUID=AB/PARTNROFF=1", 1), ("PARTUUID=ab/PARTNROFF=-2", -2)])
def test_partnroff(written: str, offset: int) -> None:
    assert read_device_name(written) == DeviceName(written, "partuuid", "ab", offset=offset)


@pytest.mark.parametrize(
    ("written", "wanted"),
    [("UUID=a", True), ("/dev/vg/root", True), ("PARTUUID=a", False), ("/dev/xvda1", False), ("202:1", False)],
)
def test_what_a_kernel_finds_alone(written: str, wanted: bool) -> None:
    assert read_device_name(written).wants_initrd is wanted


def test_words_of_a_command_line() -> None:
    words = read_command_line('ro root="LABEL=my root" quiet a= "x=y z"')
    assert words == (("ro", None), ("root", "LABEL=my root"), ("quiet", None), ("a", ""), ("x", "y z"))


@pytest.mark.parametrize(
    ("arguments", "genkernel", "word", "device"),
    [
        ("root=UUID=a ro root=LABEL=b", False, "root", "LABEL=b"),
        ("root=/dev/ram0 real_root=LABEL=b", False, "real_root", "LABEL=b"),
        ("root=LABEL=a real_root=LABEL=b", False, "root", "LABEL=a"),
        ("root=LABEL=a real_root=LABEL=b", True, "real_root", "LABEL=b"),
        ("real_root=LABEL=b", False, "real_root", "LABEL=b"),
        ("ro quiet", False, "root", None),
    ],
)
def test_which_root_counts(arguments: str, genkernel: bool, word: str, device: str | None) -> None:
    found = root_argument(arguments, genkernel=genkernel)
    assert (found.word, found.device.written if found.device else None) == (word, device)


def test_words_of_dracut() -> None:
    found = root_argument("root=/dev/vg/r rd.lvm.lv=vg/r rd.lvm.lv=vg/s rd_LVM_VG=other rd.lvm=0 init=/bin/sh")
    assert (found.volumes, found.groups, found.has_lvm, found.init) == (("vg/r", "vg/s"), ("other",), False, "/bin/sh")
    assert root_argument("rd_NO_LVM").has_lvm is False
    assert root_argument("rd.lvm=1").has_lvm is True


@pytest.mark.parametrize(
    ("files", "device"),
    [
        ({"etc/cmdline.d/root.conf": b"rd.lvm.lv=vg/r root=/dev/vg/r ro\n"}, "/dev/vg/r"),
        ({"conf/conf.d/root": b"# comment\nROOT='UUID=a'\n"}, "UUID=a"),
        ({"config/storage.sh": b"rootdev=/dev/xvda2\n"}, "/dev/xvda2"),
        ({"init": b"#!/bin/nash\nmkrootdev -t ext3 -o defaults,ro LABEL=/\n"}, "LABEL=/"),
        ({"init": b"#!/bin/sh\nmount -o ro /dev/xvda1 /newroot\n"}, "/dev/xvda1"),
        ({"init": b"#!/bin/sh\nmount -t devpts devpts /dev/pts\nmount -o move /dev ${rootmnt}/dev/x\n"}, None),
        ({"init": b"#!/bin/sh\nmount ${ROOT} /mnt\n", "conf/initramfs.conf": b"MODULES=most\n"}, None),
    ],
)
def test_what_an_initrd_knows(files: dict[str, bytes], device: str | None) -> None:
    found = root_of_initrd(files).device
    assert (found.written if found else None) == device


def test_an_initrd_with_a_program_for_init_may_know() -> None:
    assert root_of_initrd({"init": b"\x7fELF"}).may_know
    assert not root_of_initrd({"init": b"#!/bin/sh\n"}).may_know


@pytest.mark.parametrize("wide", [True, False])
def test_a_guest_says_what_it_is(wide: bool) -> None:
    assert guest_os(xen_elf("GRUB", wide=wide)) == "GRUB"
    assert guest_os(xen_elf("linux", wide=wide)[:150]) in ("", "linux")
    assert guest_os(noise(500)) == ""
    assert guest_os(b"\x7fELF" + noise(500)) == ""
    assert guest_os(b"\x7fELF" + bytes(100) + b"GUEST_OS=linux,GUEST_VER=2.6,") == "linux"
