"""Filesystems in layouts, built for real from a small tree and read back by other tools than those that wrote them.

Two images: what is laid in user space alone, for each layout and filesystem; and one with volume groups, stripes,
subvolumes and a ReiserFS, for which the appliance is launched once to make it and once to read it back.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from imagebuild.errors import HostError
from imagebuild.events import Quiet
from imagebuild.host import command
from imagebuild.host.cache import Cache
from imagebuild.host.guest import Drive, Guest, appliance
from imagebuild.host.mountable import check_mountable, mountable
from imagebuild.host.sparse import data_extents
from imagebuild.operations.image import build_image
from imagebuild.plan.steps import Plan
from imagebuild.recipe.load import load_recipe
from tests.images import INITRD, KERNEL, RELEASE, initrd, kernel, noise

pytestmark = [pytest.mark.integration, pytest.mark.needs("namespace")]
MIB = 2**20
MODULES = ("xen-blkfront", "ext2", "ext4", "xfs", "btrfs", "reiserfs", "dm-mod")
FOLDERS = ("boot", "etc", "home", "home/somebody", "srv", "var", "var/many", "usr", "usr/bin", "tmp", "root")
CHECKERS = {
    "ext2": ["e2fsck", "-fn"], "ext3": ["e2fsck", "-fn"], "ext4": ["e2fsck", "-fn"],
    "xfs": ["xfs_repair", "-n", "-f"], "btrfs": ["btrfs", "check", "--readonly"],
}  # fmt: skip
_TIME = 1_600_000_000


def contents() -> dict[str, bytes]:
    files = {KERNEL: kernel(padding=bytes(20_000)), INITRD: initrd(modules=MODULES, lvm=True)}
    files |= {f"var/many/file-{number:04}-{'x' * (number % 40)}": noise(number * 7) for number in range(900)}
    files |= {"home/somebody/letter": b"Dear\n", "usr/bin/tool": noise(300_000), "etc/hostname": b"x\n"}
    return files


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for recipes, with tree.tar in it."""
    folder = tmp_path_factory.mktemp("layouts")
    with tarfile.open(folder / "tree.tar", "w", format=tarfile.PAX_FORMAT) as archive:
        for name in FOLDERS:
            add(archive, name, type=tarfile.DIRTYPE, mode=0o1777 if name == "tmp" else 0o755)
        for name, content in contents().items():
            add(archive, name, content, mode=0o4755 if name == "usr/bin/tool" else 0o640, uid=1000, gid=8)
        add(archive, "usr/bin/other-name", type=tarfile.LNKTYPE, linkname="usr/bin/tool")
        add(archive, "etc/link", type=tarfile.SYMTYPE, linkname="../usr//bin/tool")
        builtin = f"usr/lib/modules/{RELEASE}/modules.builtin"
        add(archive, builtin, b"kernel/drivers/virtio/virtio_pci.ko\nkernel/drivers/block/virtio_blk.ko\n")
    return folder


def add(archive: tarfile.TarFile, name: str, content: bytes = b"", **fields: Any) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mtime = len(content), _TIME
    for key, value in fields.items():
        setattr(member, key, value)
    archive.addfile(member, io.BytesIO(content))


def build(tree: Path, name: str, disk: dict[str, Any], cache: Cache) -> tuple[Path, Plan]:
    recipe = tree / f"{name}.yaml"
    recipe.write_text(json.dumps({"name": name, "rootfs": {"tar": "tree.tar"}, "disk": disk}))
    target = tree / f"{name}.raw"
    return target, build_image(load_recipe(recipe), target, cache=cache, progress=Quiet(), secrets={}).plan


def layouts(kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    yield f"hd0-{kind}", {"layout": "hd0", "filesystem": {"type": kind, "label": "root"}}
    for table in ("mbr", "gpt"):
        boot = {"mount": "/boot", "size": "400MiB", "filesystem": kind}
        parts = [boot, {"mount": "/", "size": "rest", "filesystem": "ext4"}, {"size": "16MiB", "filesystem": "swap"}]
        yield f"{table}-{kind}", {"layout": "hd00", "table": table, "partitions": parts}


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


@pytest.mark.parametrize(
    ("name", "disk"),
    [pair for kind in CHECKERS for pair in layouts(kind)],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_layout_is_clean(name: str, disk: dict[str, Any], tree: Path, cache: Cache, tmp_path: Path) -> None:
    image, plan = build(tree, name, disk, cache)
    places = {item.place: item for item in plan.filesystems}
    if disk["layout"] == "hd00":
        table = json.loads(command.run(["sfdisk", "--json", str(image)], doing="sfdisk"))["partitiontable"]
        assert table["label"] == {"mbr": "dos", "gpt": "gpt"}[disk["table"]]
        command.run(["sfdisk", "--verify", str(image)], doing="sfdisk --verify")
        spans = [(part["start"] * 512, part["size"] * 512) for part in table["partitions"]]
    else:
        spans = [(0, image.stat().st_size)]
    for (offset, size), item in zip(spans, places.values(), strict=True):
        if item.type in CHECKERS:
            part = cut_out(image, offset, size, tmp_path / "part")
            command.run([*CHECKERS[item.type], str(part)], doing=f"checking {item.place}")
    image.unlink()


def cut_out(image: Path, offset: int, size: int, target: Path) -> Path:
    with image.open("rb", buffering=0) as source, target.open("wb") as part:
        part.truncate(size)
        for extent in list(data_extents(source.fileno(), offset, offset + size)):
            source.seek(extent.start)
            part.seek(extent.start - offset)
            part.write(source.read(extent.length))
    return target


def everything(usr: str) -> dict[str, Any]:
    """As much as one image can hold, in as small a disk as XFS allows."""
    home = {"type": "btrfs", "subvolumes": {"@home": "/home", "@srv": "/srv"}}
    return {
        "layout": "hd00",
        "table": "gpt",
        "partitions": [
            {"mount": "/boot", "size": "330MiB", "filesystem": {"type": "xfs", "label": "boot"}},
            {"size": "401MiB", "volume_group": "vg0"},
            {"size": "401MiB", "volume_group": "vg0"},
            {"size": "rest", "volume_group": "vg1"},
        ],
        "size": "1700MiB",
        "volume_groups": {
            "vg0": [
                {"name": "root", "size": "200MiB", "type": "striped", "mount": "/", "filesystem": "btrfs"},
                {"name": "swap", "size": "32MiB", "filesystem": "swap"},
                {"name": "var", "size": "rest", "mount": "/var", "filesystem": "xfs"},
            ],
            "vg1": [
                {"name": "home", "size": "200MiB", "filesystem": home},
                {"name": "usr", "size": "rest", "mount": "/usr", "filesystem": usr},
            ],
        },
    }


@pytest.mark.needs("guestfs")
def test_groups_stripes_subvolumes_and_reiserfs(tree: Path, cache: Cache, user_cache: Cache) -> None:
    """Built twice: the same volume group, bit for bit. Then read back by a kernel."""
    able = mountable(user_cache)["reiserfs"]
    if not able:  # a machine whose distribution cannot: it is refused before any work, and all the rest is built
        with pytest.raises(HostError, match="this machine cannot make reiserfs"):
            check_mountable({"reiserfs"}, user_cache)
    disk = everything(usr="reiserfs" if able else "ext3")
    image, _plan = build(tree, "everything", disk, cache)
    first = group_metadata(image)
    image, plan = build(tree, "everything", disk, cache)
    assert group_metadata(image) == first
    with appliance([Drive(image, readonly=True, name="image")], acceleration="tcg", log=lambda _line: None) as guest:
        assert {row.split(":")[0] for row in guest.shell("lvm", "lvs", "--noheadings", "-o", "lv_name").split()} >= {
            "root", "swap", "var", "home", "usr",
        }  # fmt: skip
        for device, options, at in mounts(guest, plan):
            guest.call("mkdir_p", at) if at != "/" else None
            guest.call("mount_options", options, device, at)
            if at == "/":
                guest.shell("mount", "-t", "tmpfs", "tmpfs", "/sysroot/tmp")
        compare(guest)


def mounts(guest: Guest, plan: Plan) -> list[tuple[str, str, str]]:
    """As the image's own fstab mounts them, the root first; read-only."""
    devices = {f"UUID={item.uuid}": item.place for item in plan.filesystems}
    found = []
    for line in plan.fstab.splitlines()[1:]:
        device, at, kind, options, *_rest = line.split()
        if kind == "swap":
            continue
        if place := devices.get(device):
            device = guest.device(f"image{int(place.partition(',')[2]) + 1}")
        subvolume = [word for word in options.split(",") if word.startswith("subvol=")]
        found.append((device, ",".join(["ro", *subvolume]), at))
    return sorted(found, key=lambda item: item[2])


def compare(guest: Guest) -> None:
    expected = {f"/{name}": content for name, content in contents().items() if not name.startswith("etc/hostname")}
    for path, content in expected.items():
        if "/many/" not in path or path.endswith("x" * 39):
            assert guest.call("read_file", path) == content, path
    assert len(guest.call("ls", "/var/many")) == 900
    status = guest.call("statns", "/usr/bin/tool")
    assert (status["st_mode"] & 0o7777, status["st_uid"], status["st_gid"], status["st_nlink"]) == (0o4755, 1000, 8, 2)
    assert status["st_mtime_sec"] == _TIME
    assert guest.call("readlink", "/etc/link") == "../usr//bin/tool"
    assert guest.call("statns", "/tmp")["st_mode"] & 0o7777 == 0o1777


def group_metadata(image: Path) -> list[bytes]:
    """The first MiB of each physical volume."""
    table = json.loads(command.run(["sfdisk", "--json", str(image)], doing="sfdisk"))["partitiontable"]
    with image.open("rb") as file:
        found = []
        for part in table["partitions"][1:]:
            file.seek(part["start"] * 512)
            found.append(file.read(MIB))
        return found
