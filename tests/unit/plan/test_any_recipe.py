"""Any disk that the model lets through is planned, or refused by a PlanError with a cure; nothing else happens.

What is planned never overlaps, stays inside the disk and its volume group, and is aligned.
"""

from __future__ import annotations

from typing import Any

import pydantic
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from imagebuild.errors import PlanError
from imagebuild.plan.disk_vocabulary import (
    CreateLogicalVolume,
    CreateVolumeGroup,
    MakeAndFill,
    MakeBtrfs,
    MakeExt,
    MakeSwap,
    MakeXfs,
    PackTree,
    WritePartitionTable,
)
from imagebuild.plan.facts import InitrdInTree, KernelInTree, TreeFacts, Usage
from imagebuild.plan.outline import outline
from imagebuild.plan.planner import make_plan
from imagebuild.plan.steps import Plan
from imagebuild.recipe.model import Recipe

MIB = 2**20
EXTENT = 4 * MIB
MODULES = ("xen-blkfront", "virtio_blk", "virtio_pci", "ext2", "ext4", "xfs", "btrfs", "reiserfs", "dm-mod")
PLACES = ("/", "/boot", "/home", "/srv", "/srv/data", "/var", "/usr/local", "/opt")

sizes = st.one_of(
    st.integers(1, 900).map(lambda size: f"{size}MiB"),
    st.integers(1, 60).map(lambda share: f"{share}%"),
    st.just("rest"),
    st.just("rest"),
)  # fmt: skip
words = st.sampled_from(
    ["-O 64bit", "-O ^huge_file", "-m crc=0", "-i size=1024", "-n 16384", "-b 1024", "-x", "-d dup"]
)


def filesystems(mount: str | None) -> st.SearchStrategy[dict[str, Any]]:
    if mount is None:
        return st.just({"type": "swap"})
    return st.fixed_dictionaries(
        {"type": st.sampled_from(["ext2", "ext3", "ext4", "ext4", "xfs", "btrfs", "reiserfs"])},
        optional={
            "label": st.text("abz09_.-", min_size=3, max_size=13),
            "mount_options": st.sampled_from(["noatime", "compress=zstd"]),
            "mkfs": st.sampled_from([False, False, False, True]).flatmap(
                lambda some: st.lists(words, max_size=2) if some else st.just([])
            ),
        },
    )


@st.composite
def mounted(draw: st.DrawFn, count: int) -> list[dict[str, Any]]:
    """So many filesystems, the first ones at / and /boot in some order, with a swap or a volume of subvolumes."""
    places: list[str | None] = [*draw(st.permutations(PLACES[:2])), *draw(st.permutations(PLACES[2:]))]
    items = []
    for place in [*places[: count - 1], draw(st.sampled_from([None, *places[count - 1 : count]]))][:count]:
        spec = draw(filesystems(place))
        item: dict[str, Any] = {"size": draw(sizes), "filesystem": spec}
        if place is not None and spec["type"] == "btrfs" and draw(st.booleans()):
            spec["subvolumes"] = {"@": place, "@more": draw(st.sampled_from(["/data", "/more/data"]))}
        elif place is not None:
            item["mount"] = place
        items.append(item)
    return items


@st.composite
def disks(draw: st.DrawFn) -> dict[str, Any]:
    size = draw(st.one_of(st.none(), st.integers(64, 16384).map(lambda size: f"{size}MiB")))
    if draw(st.integers(0, 5)) == 0:
        return {"layout": "hd0", "size": size, "filesystem": draw(filesystems("/"))}
    count = draw(st.integers(1, 6))
    items = draw(mounted(count))
    direct = draw(st.integers(0, count))
    partitions = items[:direct]
    groups: dict[str, list[dict[str, Any]]] = {}
    for number, item in enumerate(items[direct:]):
        group = draw(st.sampled_from(["vg0", "vg0", "vg1"]))
        kind = draw(st.sampled_from(["linear", "linear", "striped"]))
        groups.setdefault(group, []).append({**item, "name": f"v{number}", "type": kind})
    for group in groups:
        for _member in range(draw(st.integers(1, 2))):
            place = draw(st.integers(0, len(partitions)))
            partitions.insert(place, {"size": draw(sizes), "volume_group": group})
    if draw(st.integers(0, 3)):  # the way that most images with a group are made
        for item in [*partitions, *(volume for volumes in groups.values() for volume in volumes)]:
            if item.get("mount") == "/boot":
                item["mount"] = "/boot/efi"
        partitions.insert(
            0, {"mount": "/boot", "size": "100MiB", "filesystem": draw(st.sampled_from(["ext2", "ext3"]))}
        )
    table = draw(st.sampled_from(["mbr", "gpt", None]))
    return {"layout": "hd00", "table": table, "size": size, "partitions": partitions, "volume_groups": groups}


@st.composite
def sound_disks(draw: st.DrawFn) -> dict[str, Any]:
    """A disk with which nothing is wrong: 8 to 16 GiB, a first partition for the loader, the root on what is left."""
    size = f"{draw(st.integers(8, 16))}GiB"
    if draw(st.integers(0, 4)) == 0:
        kind = draw(st.sampled_from(["ext2", "ext3", "ext4", "xfs", "reiserfs"]))
        return {"layout": "hd0", "size": draw(st.sampled_from([size, None])), "filesystem": {"type": kind}}
    boot = {"mount": "/boot", "size": f"{draw(st.integers(200, 500))}MiB",
            "filesystem": draw(st.sampled_from(["ext2", "ext3", "ext4", "reiserfs"]))}  # fmt: skip
    others = draw(st.lists(st.sampled_from(PLACES[2:]), unique=True, max_size=2))
    kinds = st.sampled_from(["ext2", "ext3", "ext4", "xfs", "btrfs", "reiserfs"])
    more = [
        {"mount": place, "size": f"{draw(st.integers(400, 1500))}MiB", "filesystem": draw(kinds)} for place in others
    ]
    root = {"mount": "/", "size": "rest", "filesystem": draw(kinds)}
    table = draw(st.sampled_from(["mbr", "gpt"]))
    disk: dict[str, Any] = {"layout": "hd00", "table": table, "size": size}
    if draw(st.booleans()):
        return disk | {"partitions": [boot, *more, root]}
    striped = draw(st.booleans())
    volumes = [{**item, "name": f"v{number}"} for number, item in enumerate([*more, root])]
    halves = [{"size": "50%", "volume_group": "vg0"}, {"size": "rest", "volume_group": "vg0"}]
    volumes[-1] |= {"type": "striped"} if striped and not more else {}
    return disk | {"partitions": [boot, *halves], "volume_groups": {"vg0": volumes}}


def tree(content_mib: int) -> TreeFacts:
    version = "6.1.0-1-amd64"
    initrd = InitrdInTree(path=f"/boot/initrd.img-{version}", size_bytes=30 * MIB, modules=MODULES, holds_lvm=True)
    kernel = KernelInTree(
        path=f"/boot/vmlinuz-{version}", version=version, release=version, size_bytes=8 * MIB, architecture="x86_64",
        compression="xz", initrd=initrd,
    )  # fmt: skip
    usage = [("/", 1, 10), ("/boot", 40, 10), ("/usr/lib", content_mib, 9000), ("/var/lib/dpkg", 5, 900)]
    return TreeFacts(
        digest="0" * 64, family="debian", initrd_tool="initramfs-tools", kernels=(kernel,),
        usage=tuple(Usage(path=path, content_bytes=size * MIB, inodes=count) for path, size, count in usage),
    )  # fmt: skip


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much], deadline=None)
@given(disks(), st.sampled_from(["pv-grub", "pygrub", "pvgrub2"]), st.one_of(st.none(), st.integers(0, 2500)))
def test_planned_or_refused(disk: dict[str, Any], loader: str, content_mib: int | None) -> None:
    try:
        recipe = Recipe.model_validate(
            {"name": "any", "rootfs": {"tar": "tree.tar"}, "disk": disk, "boot": {"loader": loader}}
        )
    except pydantic.ValidationError:
        event("refused by the model")
        return
    plan = plan_or_refusal(recipe, None if content_mib is None else tree(content_mib))
    event("refused by a rule" if isinstance(plan, PlanError) else "planned")
    if isinstance(plan, PlanError):
        assert plan.resolution, f"no cure: {plan.brief}"
        return
    assert outline(plan)
    if plan.size_bytes is not None:
        check_places(plan, plan.size_bytes)
        check_every_part_is_made(plan)


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(sound_disks(), st.one_of(st.none(), st.integers(0, 900)))
def test_a_sound_disk_is_planned(disk: dict[str, Any], content_mib: int | None) -> None:
    recipe = Recipe.model_validate({"name": "any", "rootfs": {"tar": "tree.tar"}, "disk": disk})
    plan = make_plan(recipe, None if content_mib is None else tree(content_mib))
    if plan.size_bytes is not None:
        check_places(plan, plan.size_bytes)
        check_every_part_is_made(plan)


def plan_or_refusal(recipe: Recipe, facts: TreeFacts | None) -> Plan | PlanError:
    try:
        return make_plan(recipe, facts)
    except PlanError as error:
        return error


def check_places(plan: Plan, size_bytes: int) -> None:
    """Filesystems, partitions and extents: inside, aligned, apart."""
    end_of_table = 0
    for step in plan.disk:
        if isinstance(step, WritePartitionTable):
            parts = sorted((part.start_bytes, part.size_bytes) for part in step.partitions)
            check_apart(parts, MIB, size_bytes - (MIB if step.table == "gpt" else 0), quantum=MIB)
            end_of_table = MIB
    runs = [
        (run.offset_bytes, run.size_bytes)
        for step in plan.disk
        if isinstance(step, (MakeExt, MakeBtrfs, MakeXfs, MakeSwap))
        for run in step.where.runs
    ]
    check_apart(sorted(runs), end_of_table, size_bytes, quantum=4096)
    check_extents(plan)


def check_apart(parts: list[tuple[int, int]], start: int, end: int, *, quantum: int) -> None:
    for begin, size in parts:
        assert begin >= start
        assert begin % quantum == size % quantum == 0
        assert size > 0
        start = begin + size
    assert start <= end


def check_extents(plan: Plan) -> None:
    table = next((step for step in plan.disk if isinstance(step, WritePartitionTable)), None)
    sizes_of = {part.number: part.size_bytes for part in table.partitions} if table else {}
    taken: dict[int, list[tuple[int, int]]] = {}
    for step in plan.disk:
        if isinstance(step, CreateLogicalVolume):
            for extents in step.extents:
                taken.setdefault(extents.partition_number, []).append((extents.first, extents.count))
            if step.stripe_bytes:
                assert len({extents.count for extents in step.extents}) == 1
                assert len(step.extents) > 1
    for number, parts in taken.items():
        check_apart(sorted(parts), 0, (sizes_of[number] - MIB) // EXTENT, quantum=1)


def check_every_part_is_made(plan: Plan) -> None:
    """Each filesystem of the plan is made once, and each group has its physical volumes."""
    made = [step.uuid for step in plan.disk if isinstance(step, (MakeExt, MakeBtrfs, MakeXfs, MakeSwap, MakeAndFill))]
    assert sorted(made) == sorted(item.uuid for item in plan.filesystems)
    packed = {step.archive for step in plan.disk if isinstance(step, PackTree)}
    filled = [fill.archive for step in plan.disk if isinstance(step, MakeAndFill) for fill in step.fills]
    assert sorted(packed) == sorted(filled)
    assert all(step.physical_volumes for step in plan.disk if isinstance(step, CreateVolumeGroup))
    assert all(step.where.runs for step in plan.disk if isinstance(step, (MakeExt, MakeBtrfs, MakeXfs, MakeSwap)))
