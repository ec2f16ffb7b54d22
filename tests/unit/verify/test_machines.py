"""What the machines are told: QEMU's words, the guest's configuration, the disk that an initrd can drive."""

from __future__ import annotations

import dataclasses
import io
import tarfile
from pathlib import Path

import pytest

from imagebuild.host.cache import Cache
from imagebuild.report import Loader
from imagebuild.verify.guests import PVH
from imagebuild.verify.loaders import GuestLoader
from imagebuild.verify.machine import untouched_disk
from imagebuild.verify.qemu import QemuBoot, disk_driver, why_not
from imagebuild.verify.state import StateStore
from imagebuild.verify.xen import XenBoot, guest_configuration, job_archive, machine_arguments
from tests.images import initrd


@pytest.mark.parametrize(
    ("modules", "device"),
    [
        (("virtio_pci", "virtio_blk", "ahci", "sd_mod"), "virtio-blk-pci"),
        (("virtio-pci", "virtio-scsi", "sd-mod"), "virtio-scsi-pci"),
        (("ahci", "sd_mod"), "ide-hd"),
        (("xen-blkfront",), None),
        (("ahci",), None),
    ],
)
def test_the_disk_is_one_that_the_initrd_can_drive(modules: tuple[str, ...], device: str | None) -> None:
    found = disk_driver(initrd(modules=modules))
    assert (found.device if found else None) == device


def qemu_boot(command_line: str, ramdisk: bytes | None = None) -> QemuBoot:
    return QemuBoot(Path("image"), b"kernel", ramdisk, command_line, 2**29, 300, "login:")


def test_an_image_for_xen_alone_is_not_judged_without_xen() -> None:
    assert "only Xen" in (why_not(qemu_boot("ro root=/dev/xvda1 console=hvc0")) or "")
    assert "no driver" in (why_not(qemu_boot("root=UUID=1", initrd(modules=("xen-blkfront",)))) or "")
    assert why_not(qemu_boot("root=UUID=1 note=root=/dev/xvda1")) is None
    assert why_not(qemu_boot("root=/dev/vg/root", initrd(modules=("virtio_pci", "virtio_blk")))) is None


def test_a_comma_in_a_path_does_not_end_an_option() -> None:
    assert "file=/a,,b/c.raw,format=raw" in untouched_disk("image", Path("/a,b/c.raw"))[1]


def xen_boot(tmp_path: Path, extra: str = "(hd0)/boot/grub/menu.lst") -> XenBoot:
    path = tmp_path / "loader"
    path.write_bytes(b"loader")
    loader = GuestLoader(path, extra, Loader(kind="pv-grub", version="0.97"))
    return XenBoot(Path("image"), loader, 640 * 2**20, 300, "login:", "", False)


def test_the_guest_is_told_where_the_menu_is_and_ends_when_it_should(tmp_path: Path) -> None:
    lines = guest_configuration(xen_boot(tmp_path)).splitlines()
    assert 'type="pv"' in lines
    assert 'extra="(hd0)/boot/grub/menu.lst"' in lines
    assert "memory=640" in lines
    assert 'tsc_mode="native"' in lines
    assert {'on_reboot="destroy"', 'on_crash="destroy"', 'on_poweroff="destroy"'} <= set(lines)


def test_the_job_is_whole_sectors_of_tar(tmp_path: Path) -> None:
    data = job_archive(xen_boot(tmp_path))
    assert len(data) % 512 == 0
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        assert archive.getnames() == ["guest.cfg", "loader", "now"]


def test_xen_does_without_global_pages_where_it_is_emulated() -> None:
    assert "qemu64,-pge" in machine_arguments("tcg", 2**30)
    assert "qemu64" in machine_arguments("kvm", 2**30)


def test_a_state_fits_one_machine_and_one_test_host(tmp_path: Path) -> None:
    def digest(memory_bytes: int, host: str) -> str:
        return StateStore.of(Cache(tmp_path), machine_arguments("tcg", memory_bytes), Path(host), "QEMU 7.2").digest

    digests = {digest(2**30, "/a/one"), digest(2**31, "/a/one"), digest(2**30, "/a/two")}
    assert len(digests) == 3
    assert digest(2**30, "/a/one") == digest(2**30, "/b/one")


def test_a_pvh_guest_has_its_own_processor_and_configuration(tmp_path: Path) -> None:
    """It is always emulated: TCG has nested paging on every machine."""
    for accelerator in ("tcg", "kvm"):
        arguments = machine_arguments(accelerator, 2**30, PVH)
        assert "qemu64,+svm,+npt" in arguments
        assert "tcg,thread=multi" in arguments
    task = dataclasses.replace(xen_boot(tmp_path, ""), guest=PVH)
    assert 'type="pvh"' in guest_configuration(task).splitlines()
    assert "tsc_mode" not in guest_configuration(task)
    assert task.console_log == "console-pvh.log"
