"""Each family's kernels, initrds, tools and menu: from a small tree like theirs to the plan."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from imagebuild.assemble.inside.initrd_tools import tool_configuration
from imagebuild.bootloaders.menu import parse_menu
from imagebuild.errors import PlanError
from imagebuild.families.table import INITRD_TOOLS, family_name
from imagebuild.plan.facts import TreeFacts
from imagebuild.plan.planner import make_plan
from imagebuild.plan.steps import CopyInTree, GenerateInitrd, MakeLink, Plan, Remove, RepackKernel
from imagebuild.plan.system_vocabulary import RemoveTraces
from imagebuild.recipe.model import Recipe
from imagebuild.rootfs.facts import read_tree
from tests.unit.rootfs import family_trees
from tests.unit.rootfs.family_trees import FAMILY_TREES, FamilyTree, write_tar


def recipe(**changes: Any) -> Recipe:
    content: dict[str, Any] = {
        "name": "test",
        "rootfs": {"tar": "rootfs.tar"},
        "disk": {"layout": "hd0", "filesystem": "ext3", "size": "256MiB"},
        "verify": {"qemu": False},
        "boot": {"repack": "gzip"},
    }
    return Recipe.model_validate(content | changes)


def facts_of(tree: FamilyTree, folder: Path) -> TreeFacts:
    return read_tree(write_tar(folder / "rootfs.tar", tree.files), "0" * 64)[0]


def edits(plan: Plan, kind: type) -> list[Any]:
    return [edit for edit in plan.all_edits if isinstance(edit, kind)]


@pytest.mark.parametrize("make", FAMILY_TREES)
def test_kernel_initrd_and_menu(make: Callable[[], FamilyTree], tmp_path: Path) -> None:
    tree = make()
    facts = facts_of(tree, tmp_path)
    assert (facts.family, facts.initrd_tool) == (tree.family, tree.tool)
    assert [kernel.version for kernel in facts.kernels] == [tree.version]
    plan = make_plan(recipe(), facts)
    [entry] = plan.entries
    has_initrd = tree.family != "ubuntu"  # everything is built in there
    assert (entry.kernel, entry.initrd) == (tree.kernel, tree.initrd if has_initrd else None)
    [written] = parse_menu(plan.menu).entries
    assert (written.root, written.kernel) == ("(hd0)", tree.kernel)
    assert " / " in plan.fstab
    assert "ext3" in plan.fstab


def test_a_kernel_below_lib_modules_is_copied(tmp_path: Path) -> None:
    tree = family_trees.fedora()
    plan = make_plan(recipe(), facts_of(tree, tmp_path))
    folder = f"/usr/lib/modules/{tree.version}"
    assert [(copy.source, copy.path) for copy in edits(plan, CopyInTree)] == [
        (f"{folder}/vmlinuz", tree.kernel),
        (f"{folder}/config", f"/boot/config-{tree.version}"),
    ]
    [generate] = edits(plan, GenerateInitrd)
    assert generate.path == f"/boot/initramfs-{tree.version}.img"


@pytest.mark.parametrize("make", [family_trees.rhel_6, family_trees.centos_6, family_trees.oracle_6])
def test_red_hats_grub_conf_leads_to_the_menu(make: Callable[[], FamilyTree], tmp_path: Path) -> None:
    plan = make_plan(recipe(), facts_of(make(), tmp_path))
    assert MakeLink(path="/boot/grub/grub.conf", target="menu.lst") in plan.all_edits


def test_classic_xen_kernels_have_another_driver(tmp_path: Path) -> None:
    plan = make_plan(recipe(), facts_of(family_trees.rhel_5(), tmp_path))
    [generate] = edits(plan, GenerateInitrd)
    assert generate.modules == ("xenblk", "ext3")
    assert "/etc/mtab" in [edit.path for edit in edits(plan, Remove)]


def test_a_driver_that_is_nowhere(tmp_path: Path) -> None:
    facts = facts_of(family_trees.rhel_5(), tmp_path)
    with pytest.raises(PlanError, match="has no driver virtio_blk, neither built in nor as a module") as caught:
        make_plan(recipe(verify={}), facts)
    assert "verify: {qemu: false}" in caught.value.resolution


def test_a_driver_that_is_built_in_is_not_asked_of_the_initrd(tmp_path: Path) -> None:
    plan = make_plan(recipe(), facts_of(family_trees.opensuse_11(), tmp_path))
    assert edits(plan, GenerateInitrd) == []


def test_ubuntu_is_repacked(tmp_path: Path) -> None:
    facts = facts_of(family_trees.ubuntu(), tmp_path)
    for boot in ({}, {"repack": "auto"}, {"repack": "gzip"}):
        plan = make_plan(recipe(boot=boot), facts)
        assert edits(plan, RepackKernel)
        assert any("compressed with gzip (boot.repack)" in note for note in plan.notes)
    with pytest.raises(PlanError, match="is compressed with zstd, which PV-GRUB cannot unpack") as caught:
        make_plan(recipe(boot={"repack": "never"}), facts)
    assert "boot.repack: never" in caught.value.resolution
    assert not edits(make_plan(recipe(boot={"loader": "pygrub"}), facts), RepackKernel)


def test_a_kernel_that_is_no_xen_guest(tmp_path: Path) -> None:
    tree = family_trees.debian()
    tree.files[f"boot/config-{tree.version}"] = b"CONFIG_XEN=y\n# CONFIG_XEN_PV is not set\n"
    with pytest.raises(PlanError, match="is not built as a Xen PV guest"):
        make_plan(recipe(), facts_of(tree, tmp_path))


def test_the_xsave_note(tmp_path: Path) -> None:
    notes = make_plan(recipe(), facts_of(family_trees.rhel_6(), tmp_path)).notes
    assert any("XSAVE" in note for note in notes)
    assert not make_plan(recipe(), facts_of(family_trees.debian(), tmp_path)).notes


def test_other_loaders_menus_are_removed(tmp_path: Path) -> None:
    tree = family_trees.debian()
    tree.files.update({"boot/grub/grub.cfg": b"x", "boot/boot/grub/menu.lst": b"x", "etc/machine-id": b"1\n"})
    tree.files["boot/boot"] = None
    facts = facts_of(tree, tmp_path)
    assert {edit.path for edit in edits(make_plan(recipe(), facts), Remove)} == {"/boot/grub/grub.cfg"}
    boot = {"mount": "/boot", "size": "64MiB", "filesystem": "ext3"}
    disk = {
        "layout": "hd00",
        "size": "512MiB",
        "partitions": [boot, {"mount": "/", "size": "rest", "filesystem": "ext3"}],
    }
    plan = make_plan(recipe(disk=disk), facts)
    assert {edit.path for edit in edits(plan, Remove)} == {"/boot/grub/grub.cfg", "/boot/boot"}
    assert plan.all_edits.index(edits(plan, Remove)[0]) == 0, "first, so that the recipe's own files stay"


def test_the_tree_of_an_image_is_no_longer_that_machine(tmp_path: Path) -> None:
    tree = family_trees.debian()
    tree.files.update({"etc/machine-id": b"1\n", "etc/udev/rules.d/70-persistent-net.rules": b"x"})
    plan = make_plan(recipe(rootfs={"image": "old.qcow2"}), facts_of(tree, tmp_path))
    traces = {edit.name: edit for edit in edits(plan, RemoveTraces)}
    assert traces["machine-id"].emptied == ("/etc/machine-id",)
    assert "/etc/udev/rules.d/70-persistent-net.rules" in traces["network-names"].removed
    assert edits(plan, GenerateInitrd), "the old initrd waits for the old disk"


@pytest.mark.parametrize("make", FAMILY_TREES)
def test_the_initrd_tools_words(make: Callable[[], FamilyTree], tmp_path: Path) -> None:
    tree = make()
    assert tree.tool is not None
    step = GenerateInitrd(
        tool=tree.tool, kernel=tree.kernel, kernel_version=tree.version, path=tree.initrd,
        modules=("xen-blkfront", "ext4"), lvm=True,
    )  # fmt: skip
    (tmp_path / "etc/sysconfig").mkdir(parents=True)
    (tmp_path / "etc/sysconfig/kernel").write_text('# before\nINITRD_MODULES="ahci ext4"\nMORE="x"\n')
    (tmp_path / "etc/modprobe.conf").write_text("alias eth0 xennet\nalias scsi_hostadapter ahci\n")
    text = tool_configuration(step, tmp_path).content
    words = INITRD_TOOLS[step.tool].argv(step)
    match tree.tool:
        case "initramfs-tools":
            assert text.endswith("xen-blkfront\next4\n")
            assert words == ["mkinitramfs", "-o", tree.initrd, tree.version]
        case "dracut":
            assert 'add_drivers+=" xen-blkfront ext4 "' in text
            assert 'add_dracutmodules+=" lvm "' in text
            assert words == ["dracut", "--force", tree.initrd, tree.version]
        case "mkinitrd-redhat":
            assert text == "alias eth0 xennet\nalias scsi_hostadapter xen-blkfront\n"
            assert words[:3] == ["mkinitrd", "-f", "--force-lvm-probe"]
            assert words[-2:] == [tree.initrd, tree.version]
        case "mkinitrd-suse":
            assert text == '# before\nINITRD_MODULES="ahci ext4 xen-blkfront"\nMORE="x"\n'
            assert words[1:5] == ["-k", tree.kernel.removeprefix("/boot/"), "-i", tree.initrd.removeprefix("/boot/")]
        case other:
            raise AssertionError(other)


@pytest.mark.parametrize(
    ("texts", "name"),
    [
        ({"etc/os-release": 'ID_LIKE="rhel fedora"\nID="centos"\n'}, "centos"),
        ({"etc/os-release": 'ID="rocky"\nID_LIKE="rhel centos fedora"\n'}, "rhel"),
        ({"etc/os-release": 'ID="ol"\nID_LIKE="fedora"\n'}, "oracle"),
        ({"etc/os-release": 'ID="opensuse-leap"\nID_LIKE="suse opensuse"\n'}, "opensuse"),
        ({"etc/os-release": "ID=linuxmint\nID_LIKE=ubuntu\n"}, "ubuntu"),
        ({"etc/os-release": "ID=void\n"}, "unknown"),
        ({"etc/fedora-release": "Fedora release 14 (Laughlin)\n", "etc/redhat-release": "Fedora release 14"}, "fedora"),
        ({"etc/enterprise-release": "Enterprise Linux Enterprise Linux Server release 5.5\n"}, "oracle"),
        ({"etc/SuSE-release": "SUSE Linux Enterprise Server 11 (x86_64)\n"}, "suse"),
        ({"etc/lsb-release": "DISTRIB_ID=Ubuntu\n", "etc/debian_version": "squeeze/sid\n"}, "ubuntu"),
        ({"etc/debian_version": "6.0\n"}, "debian"),
        ({}, "unknown"),
    ],
)
def test_names_of_families(texts: dict[str, str], name: str) -> None:
    assert family_name(texts) == name
