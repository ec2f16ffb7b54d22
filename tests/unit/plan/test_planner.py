"""make_plan: what it decides, and what it refuses."""

from __future__ import annotations

import json
from typing import Any

import pytest

from imagebuild.bootloaders.menu import parse_menu
from imagebuild.errors import PlanError
from imagebuild.plan.disk_vocabulary import CreateLogicalVolume, MakeAndFill, MakeExt, MakeSwap, WritePartitionTable
from imagebuild.plan.facts import InitrdInTree, KernelInTree, OwnKernel, TreeFacts, Usage
from imagebuild.plan.outline import outline
from imagebuild.plan.planner import make_plan
from imagebuild.plan.steps import GenerateInitrd, Plan, SetPassword
from imagebuild.recipe.model import Recipe

MIB = 2**20
ALL_MODULES = ("xen-blkfront", "virtio_blk", "virtio_pci", "ext4", "ext2", "xfs", "btrfs", "reiserfs", "dm-mod")


def recipe(**changes: Any) -> Recipe:
    content: dict[str, Any] = {
        "name": "test",
        "rootfs": {"debian": {"suite": "bookworm", "packages": ["linux-image-amd64"]}},
        "disk": {"layout": "hd0", "filesystem": "ext4", "size": "2GiB"},
    }
    return Recipe.model_validate(content | changes)


def lvm_disk(**changes: Any) -> dict[str, Any]:
    disk: dict[str, Any] = {
        "layout": "hd00",
        "table": "mbr",
        "size": "2GiB",
        "partitions": [
            {"mount": "/boot", "size": "256MiB", "filesystem": "ext3"},
            {"size": "rest", "volume_group": "vg0"},
        ],
        "volume_groups": {
            "vg0": [
                {"name": "root", "size": "rest", "mount": "/", "filesystem": "ext4"},
                {"name": "swap", "size": "128MiB", "filesystem": "swap"},
            ]
        },
    }
    return disk | changes


def kernel(version: str = "6.1.0-56-amd64", **changes: Any) -> KernelInTree:
    initrd = InitrdInTree(path=f"/boot/initrd.img-{version}", size_bytes=36 * MIB, modules=ALL_MODULES, holds_lvm=True)
    facts: dict[str, Any] = {
        "path": f"/boot/vmlinuz-{version}",
        "version": version,
        "release": version,
        "size_bytes": 8 * MIB,
        "architecture": "x86_64",
        "compression": "xz",
        "initrd": initrd,
    }
    return KernelInTree.model_validate(facts | changes)


def facts(*kernels: KernelInTree, content_bytes: int = 600 * MIB, tool: str | None = "initramfs-tools") -> TreeFacts:
    return TreeFacts.model_validate(
        {
            "digest": "0" * 64,
            "family": "debian",
            "initrd_tool": tool,
            "kernels": kernels or (kernel(),),
            "usage": (
                Usage(path="/", content_bytes=MIB, inodes=10),
                Usage(path="/boot", content_bytes=45 * MIB, inodes=10),
                Usage(path="/usr", content_bytes=content_bytes, inodes=20000),
            ),
        }
    )


def refused(the_recipe: Recipe, tree: TreeFacts | None = None) -> str:
    with pytest.raises(PlanError) as caught:
        make_plan(the_recipe, tree)
    assert caught.value.resolution, "every refusal says what to do"
    return caught.value.brief


def steps_of(plan: Plan, kind: type) -> list[Any]:
    return [step for step in plan.disk if isinstance(step, kind)]


def test_preliminary_plan_says_what_it_does_not_know() -> None:
    plan = make_plan(recipe(disk={"layout": "hd0", "filesystem": "ext4"}), None)
    assert plan.size_bytes is None
    assert plan.disk == ()
    assert len(plan.pending) == 2
    assert "(preliminary)" in outline(plan)
    assert "VERSION" in plan.menu


def test_final_plan_of_hd0() -> None:
    plan = make_plan(recipe(), facts())
    assert plan.pending == ()
    [filesystem] = steps_of(plan, MakeExt)
    assert filesystem.region.offset_bytes == 0
    assert filesystem.size_bytes == 2048 * MIB
    assert "64bit" not in filesystem.features
    assert set(filesystem.solid) == {
        "/boot/grub/menu.lst",
        "/boot/vmlinuz-6.1.0-56-amd64",
        "/boot/initrd.img-6.1.0-56-amd64",
    }
    menu = parse_menu(plan.menu)
    assert (menu.default, menu.timeout, menu.fallback) == (0, 3, ())
    assert menu.entries[0].root == "(hd0)"
    assert menu.entries[0].arguments == f"root=UUID={filesystem.uuid} ro console=hvc0"
    assert f"UUID={filesystem.uuid}" in plan.fstab


def test_the_same_recipe_gives_the_same_plan() -> None:
    assert make_plan(recipe(), facts()).digest == make_plan(recipe(), facts()).digest
    assert make_plan(recipe(), facts()).digest != make_plan(recipe(name="other"), facts()).digest


def test_lvm_with_a_separate_boot_partition() -> None:
    plan = make_plan(recipe(disk=lvm_disk()), facts())
    [table] = steps_of(plan, WritePartitionTable)
    assert [(part.start_sector, part.type_code, part.bootable) for part in table.partitions] == [
        (2048, 0x83, True),
        (2048 + 256 * 2048, 0x8E, False),
    ]
    entry = parse_menu(plan.menu).entries[0]
    assert entry.root == "(hd0,0)"
    assert entry.kernel == "/vmlinuz-6.1.0-56-amd64"
    assert entry.arguments.startswith("root=/dev/vg0/root ")
    boot, root = steps_of(plan, MakeExt)
    assert (boot.mountpoint, boot.region.offset_bytes) == ("/boot", MIB)
    first_extent = 258 * MIB  # behind /boot and the physical volume's first MiB
    assert (root.mountpoint, root.region.offset_bytes, root.excluded) == ("/", first_extent, ("/boot",))
    assert root.solid == ()
    [swap] = steps_of(plan, MakeSwap)
    assert swap.where.runs[0].offset_bytes == first_extent + root.size_bytes
    assert [step.kind for step in plan.disk[-4:]] == [
        "create-volume-group",
        "create-logical-volume",
        "create-logical-volume",
        "settle-volume-group",
    ]
    on_root, on_swap = (step.extents[0] for step in steps_of(plan, CreateLogicalVolume))
    assert (on_root.partition_number, on_root.first, on_root.count) == (2, 0, root.size_bytes // (4 * MIB))
    assert (on_swap.first, on_swap.count) == (on_root.count, 32)
    assert any(edit.kind == "make-link" and edit.path == "/boot/boot" for edit in plan.all_edits)


def two_disks(root: dict[str, Any]) -> dict[str, Any]:
    return lvm_disk(
        partitions=[
            {"mount": "/boot", "size": "256MiB", "filesystem": "ext3"},
            {"size": "801MiB", "volume_group": "vg0"},
            {"size": "rest", "volume_group": "vg0"},
        ],
        volume_groups={"vg0": [{"name": "root", "mount": "/", "filesystem": "ext4", **root}]},
    )


def test_a_linear_volume_goes_on_in_the_next_physical_volume() -> None:
    plan = make_plan(recipe(disk=two_disks({"size": "1000MiB"})), facts())
    _boot, root = steps_of(plan, MakeExt)
    assert [run.size_bytes // MIB for run in root.where.runs] == [800, 200]
    [volume] = steps_of(plan, CreateLogicalVolume)
    assert [(part.partition_number, part.first, part.count) for part in volume.extents] == [(2, 0, 200), (3, 0, 50)]


def test_a_striped_volume_takes_as_much_of_each_physical_volume() -> None:
    plan = make_plan(recipe(disk=two_disks({"size": "1000MiB", "type": "striped"})), facts())
    _boot, root = steps_of(plan, MakeExt)
    assert [run.size_bytes // MIB for run in root.where.runs] == [500, 500]
    assert root.where.stripe_bytes == 64 * 2**10
    too_much = two_disks({"size": "1700MiB", "type": "striped"})
    assert "the smallest has room for 800 MiB" in refused(recipe(disk=too_much), facts())


def test_gpt_keeps_room_for_its_copy_and_computes_its_identities() -> None:
    disk = {"layout": "hd00", "table": "gpt", "size": "1GiB",
            "partitions": [{"mount": "/", "size": "rest", "filesystem": "ext4"}]}  # fmt: skip
    plan = make_plan(recipe(disk=disk), facts())
    [table] = steps_of(plan, WritePartitionTable)
    [part] = table.partitions
    assert (table.table, part.bootable, part.size_bytes) == ("gpt", False, 1022 * MIB)
    assert len({table.uuid, part.uuid}) == 2
    assert any("1.04" in note for note in plan.notes)


def test_subvolumes_are_mounted_each_by_its_name() -> None:
    root = {"type": "btrfs", "mount_options": "noatime", "subvolumes": {"@home": "/home", "@": "/"}}
    volume = {"name": "root", "size": "rest", "filesystem": root}
    plan = make_plan(recipe(disk=lvm_disk(volume_groups={"vg0": [volume]})), facts())
    assert "/dev/vg0/root rootflags=subvol=@ " in parse_menu(plan.menu).entries[0].arguments
    lines = [line.split() for line in plan.fstab.splitlines()[1:]]
    assert ["/dev/vg0/root", "/", "btrfs", "noatime,subvol=@", "0", "0"] in lines
    assert ["/dev/vg0/root", "/home", "btrfs", "noatime,subvol=@home", "0", "0"] in lines
    [fill] = steps_of(plan, MakeAndFill)
    assert [item.subvolume for item in fill.fills] == ["@", "@home"]


def test_what_the_loader_reads_is_made_for_it() -> None:
    def options(kind: str, loader: str) -> str:
        disk = {"layout": "hd0", "filesystem": kind, "size": "2GiB"}
        plan = make_plan(recipe(disk=disk, boot={"loader": loader}), facts())
        return json.dumps([step.model_dump(mode="json") for step in plan.disk])

    assert "crc=0" in options("xfs", "pv-grub")
    assert "crc=1" in options("xfs", "pvgrub2")
    assert "^no-holes" in options("btrfs", "pv-grub")
    assert "^no-holes" not in options("btrfs", "pvgrub2")
    assert "64bit" not in options("ext4", "pv-grub")
    assert "64bit" in options("ext4", "pygrub")


def test_given_uuids_labels_and_options_are_used() -> None:
    given = "11111111-2222-4333-8444-555555555555"
    root = {"type": "ext4", "uuid": given, "mkfs": ["-O", "^huge_file", "-b 1024", "-Estride=4"]}
    plan = make_plan(recipe(disk={"layout": "hd0", "size": "2GiB", "filesystem": root}), facts())
    [step] = steps_of(plan, MakeExt)
    assert step.uuid == given
    assert f"root=UUID={given}" in plan.menu
    assert "huge_file" not in step.features
    assert (step.block_bytes, "stride=4" in step.options) == (1024, True)


def test_the_time_zone_is_set() -> None:
    plan = make_plan(recipe(system={"timezone": "Europe/Berlin"}), facts())
    [link] = [edit for edit in plan.all_edits if edit.kind == "make-link"]
    assert (link.path, link.target) == ("/etc/localtime", "/usr/share/zoneinfo/Europe/Berlin")
    assert any(edit.kind == "write-file" and edit.content == "Europe/Berlin\n" for edit in plan.all_edits)


def test_size_is_computed_from_the_content() -> None:
    small = make_plan(recipe(disk={"layout": "hd0", "filesystem": "ext4"}), facts(content_bytes=100 * MIB))
    large = make_plan(recipe(disk={"layout": "hd0", "filesystem": "ext4"}), facts(content_bytes=2000 * MIB))
    assert small.size_bytes
    assert large.size_bytes
    assert 146 * MIB * 1.2 < small.size_bytes < 146 * MIB * 1.5
    assert 2046 * MIB * 1.2 < large.size_bytes < 2046 * MIB * 1.35


def test_initrd_without_the_disk_driver_is_generated_anew() -> None:
    poor = InitrdInTree(path="/boot/initrd.img-6.1.0-56-amd64", size_bytes=MIB, modules=("ext4",), holds_lvm=False)
    plan = make_plan(recipe(), facts(kernel(initrd=poor)))
    [generate] = [edit for edit in plan.all_edits if isinstance(edit, GenerateInitrd)]
    assert "xen-blkfront" in generate.modules
    assert "no tool to make an initrd" in refused(recipe(), facts(kernel(initrd=poor), tool=None))


def test_builtin_drivers_need_no_initrd() -> None:
    plan = make_plan(recipe(), facts(kernel(initrd=None, builtin=("xen_blkfront", "ext4", "virtio_blk", "virtio_pci"))))
    assert parse_menu(plan.menu).entries[0].initrd is None


def test_root_on_lvm_needs_the_lvm_tools_in_the_initrd() -> None:
    initrd = InitrdInTree(path="/boot/initrd.img-6.1.0-56-amd64", size_bytes=MIB, modules=ALL_MODULES, holds_lvm=False)
    plan = make_plan(recipe(disk=lvm_disk()), facts(kernel(initrd=initrd)))
    assert [edit.kernel_version for edit in plan.all_edits if isinstance(edit, GenerateInitrd)] == ["6.1.0-56-amd64"]


def test_kernels_by_pattern_newest_first_and_titles() -> None:
    tree = facts(kernel("6.1.0-56-amd64"), kernel("6.1.0-9-amd64"), kernel("5.10.0-1-amd64"))
    plan = make_plan(recipe(boot={"kernels": [{"version": "5.10*", "title": "Old"}, {"version": "6.1*"}]}), tree)
    assert [entry.title for entry in plan.entries] == ["Old", "test, Linux 6.1.0-56-amd64", "test, Linux 6.1.0-9-amd64"]
    assert "no kernel in the tree matches 4.*" in refused(recipe(boot={"kernels": [{"version": "4.*"}]}), tree)


def own_kernel(*files: str, **changes: Any) -> OwnKernel:
    found = kernel("6.6.1", path="/boot/vmlinuz-rescue", initrd=None, **changes)
    usage = (Usage(path="/boot", content_bytes=50 * MIB, inodes=2),)
    return OwnKernel(files=files, digests=("0" * 64,) * len(files), kernels=(found,), usage=usage)


def test_own_kernel_is_copied_into_the_tree() -> None:
    own = {"title": "Rescue", "kernel": "files/vmlinuz-rescue", "initrd": "files/initrd-rescue"}
    tree = facts().model_copy(update={"own_kernels": (own_kernel("files/vmlinuz-rescue", "files/initrd-rescue"),)})
    plan = make_plan(recipe(boot={"kernels": [{"version": "*"}, own], "fallback": 1}), tree)
    assert plan.entries[1].kernel == "/boot/vmlinuz-rescue"
    assert parse_menu(plan.menu).fallback == (1,)
    assert "/boot/initrd-rescue" in next(step.solid for step in plan.disk if isinstance(step, MakeExt))


def test_a_password_is_named_and_never_held() -> None:
    plan = make_plan(recipe(system={"root_password": {"hash": "$y$j9T$secret"}}), facts())
    assert "$y$" not in plan.model_dump_json() + outline(plan)
    assert [edit.secret for edit in plan.all_edits if isinstance(edit, SetPassword)] == ["system.root_password"]


def test_refusals() -> None:
    boot = {"mount": "/boot", "size": "256MiB", "filesystem": "ext3"}
    group = {"size": "rest", "volume_group": "vg0"}
    root_on_lvm = lvm_disk(partitions=[group])
    assert "cannot read inside LVM" in refused(recipe(disk=root_on_lvm))
    assert "boot partition first" in refused(recipe(disk=lvm_disk(partitions=[{**group, "size": "1GiB"}, boot])))
    assert "no logical volumes" in refused(recipe(disk=lvm_disk(volume_groups={})))
    assert "no partition belongs to it" in refused(recipe(disk=lvm_disk(partitions=[boot])))
    btrfs = {"layout": "hd0", "filesystem": "btrfs"}
    assert "pygrub would have to read / from btrfs" in refused(recipe(disk=btrfs, boot={"loader": "pygrub"}))
    assert "no filesystem is mounted at /" in refused(
        recipe(disk={"layout": "hd00", "partitions": [{**boot, "size": "rest"}]})
    )
    assert "entry 1 does not exist" in refused(recipe(boot={"fallback": 1}), facts())
    assert "compressed with lz4" in refused(recipe(), facts(kernel(compression="lz4")))
    assert "is a i386 kernel" in refused(recipe(), facts(kernel(architecture="i386")))
    assert "dropped them in 5.9" in refused(recipe(architecture="i386"), facts(kernel(architecture="i386")))
    before_the_tree = refused(recipe(architecture="i386"))
    assert "bookworm's kernels cannot be 32-bit Xen PV guests" in before_the_tree
    assert "written twice" in refused(recipe(files=[{"path": "/etc/fstab", "content": "x"}]))
    assert "the tree does not fit" in refused(recipe(), facts(content_bytes=3000 * MIB))
    assert "the sizes add up to" in refused(recipe(disk=lvm_disk(size="200MiB")))
    assert "a percentage needs a known total" in refused(
        recipe(disk=lvm_disk(size=None, partitions=[boot, {**group, "size": "50%"}])), facts()
    )
