"""make_plan: a recipe, and what its tree has told so far, in; everything that the build will do, out.

Start here to see what a build does. All decisions are taken in this package; the executor only carries out.
"""

from __future__ import annotations

from imagebuild.bootloaders.modes import MODES, has_own_code
from imagebuild.errors import PlanError
from imagebuild.filesystems.making import MIB
from imagebuild.filesystems.table import FILESYSTEMS
from imagebuild.plan.areas import Area, DiskModel, Mounted, disk_model
from imagebuild.plan.boot import BootChoice, choose_kernels, menu_text
from imagebuild.plan.disk_steps import plan_disk, uuid_of
from imagebuild.plan.facts import BootCodeFacts, TreeFacts, Usage
from imagebuild.plan.finishing import split_edits
from imagebuild.plan.initrds import Needed
from imagebuild.plan.kernel_updates import check_maintained, menu_edits
from imagebuild.plan.layout import arrange
from imagebuild.plan.modes import check_modes, modules_of
from imagebuild.plan.modes import pending as pending_code
from imagebuild.plan.refusals import all_at_once
from imagebuild.plan.rules import check_disk, loader_filesystem, notes_on
from imagebuild.plan.secret_files import is_secret, write_secret
from imagebuild.plan.steps import (
    BootstrapDebian,
    CopyFile,
    Edit,
    MakeDirectory,
    MakeLink,
    Plan,
    PlannedCheck,
    PlannedEntry,
    TakeDirectory,
    TakeImage,
    TakeOci,
    TreeSource,
    UnpackTar,
    WriteFile,
    WriteSecret,
)
from imagebuild.plan.system import hosts_edits, name_edits, script_edits, setup_edits, system_notes, user_edits
from imagebuild.plan.texts import FstabLine, fstab
from imagebuild.plan.tidy import grub_conf_link, tidying
from imagebuild.plan.traces import trace_edits, trace_notes
from imagebuild.recipe.model import File, Machine, Recipe

MENU_PATH = "/boot/grub/menu.lst"
_NOT_BOOTED = "verify.boot: false: nothing boots the image; reports call it checked, not booted, and publish refuses it"


def make_plan(recipe: Recipe, facts: TreeFacts | None, code: BootCodeFacts | None = None) -> Plan:
    """Everything that the build will do; deterministic, and without touching the machine.

    With `facts` None (the tree is not there yet) the plan is preliminary: `pending` names what the tree will tell.
    `code`: what GRUB's packages tell, for boot modes that want boot code in the image.
    Raises PlanError for what cannot be made, or what PV-GRUB could not boot: all of it at once.
    """
    model = disk_model(recipe.disk, recipe.boot.modes)
    root, source = model.root, tree_source(recipe)
    _, read, choice, users = all_at_once(
        lambda: all_at_once(lambda: check_modes(recipe, model), lambda: check_disk(model)),
        lambda: loader_filesystem(model, recipe.boot.loader),
        lambda: choose_kernels(recipe, facts, _needed(recipe, model, root)) if root else None,
        lambda: user_edits(recipe, facts),
    )
    assert root is not None  # no loader's filesystem without one
    assert choice is not None
    # These need a sound disk.
    arrangement, setup = all_at_once(
        lambda: arrange(model, _with_room_for(choice, facts)), lambda: setup_edits(recipe, model, facts)
    )
    separate_boot = read.area.mount == "/boot"
    check_maintained(recipe, choice.entries, facts)
    argument = _root_argument(recipe, root)
    menu = menu_text(recipe, choice.entries, separate_boot=separate_boot, root=argument)
    updates = menu_edits(recipe, choice.entries, facts, root=argument, separate_boot=separate_boot)
    table = fstab(_fstab_lines(recipe, model))
    disk = plan_disk(recipe, model, arrangement, facts, read=read,
                     loader_files=_read_by_loader(choice.entries), code=code)  # fmt: skip
    edits = _in_order(
        recipe,
        [*tidying(facts, separate_boot=separate_boot), *choice.packages],
        [*users, *_written(recipe, model, table), *hosts_edits(recipe, facts), *setup, *updates],
        choice,
        [WriteFile(path=MENU_PATH, content=menu), *_menus_links(facts, separate_boot=separate_boot)],
    )
    _check_paths(edits)
    split = split_edits(edits, disk.steps)
    return Plan(
        name=recipe.name,
        version=recipe.version,
        architecture=recipe.architecture,
        layout=recipe.disk.layout,
        size_bytes=arrangement.size_bytes if arrangement else None,
        epoch=facts.epoch if facts else None,
        tree=source,
        edits=split.edits,
        finishing=split.finishing,
        kept=split.cacheable,
        disk=disk.steps,
        filesystems=disk.filesystems,
        entries=choice.entries,
        menu=menu,
        fstab=table,
        checks=_checks(recipe),
        notes=(
            *notes_on(model, read, recipe.boot.loader),
            *choice.notes,
            *system_notes(recipe, facts),
            *trace_notes(recipe, facts),
            *(() if recipe.verify.boot else (_NOT_BOOTED,)),
        ),
        pending=(
            *choice.pending,
            *pending_code(recipe, code),
            *(() if arrangement else ("the disk's size: computed from the tree",)),
        ),
    )


def tree_source(recipe: Recipe) -> TreeSource:
    """The first sub-plan: where the tree comes from. Its digest is the tree's cache key."""
    if (debian := recipe.rootfs.debian) is not None:
        return BootstrapDebian(
            suite=debian.suite,
            variant=debian.variant,
            architecture=recipe.architecture,
            mirror=debian.mirror,
            components=debian.components,
            packages=debian.packages,
        )
    if (directory := recipe.rootfs.directory) is not None:
        return TakeDirectory(path=directory)
    if (image := recipe.rootfs.image) is not None:
        return TakeImage(path=image.path, sha256=image.sha256, root=image.root)
    if (oci := recipe.rootfs.oci) is not None:
        return TakeOci(path=oci.path, tag=oci.tag, architecture=recipe.architecture)
    tar = recipe.rootfs.tar
    assert tar is not None  # the model lets through exactly one source
    return UnpackTar(path=tar.path, sha256=tar.sha256)


def _root_argument(recipe: Recipe, root: Area) -> str:
    """What stands behind root= on the kernel command line: stable under PV-GRUB, Xen and QEMU alike.

    Device names shift (sda1, xvda1, vda1), so it is the UUID, or the path of the logical volume; a subvolume is
    asked for by rootflags=.
    """
    subvolume = root.mounts[0].subvolume
    return _device(recipe, root) + (f" rootflags=subvol={subvolume}" if subvolume else "")


def _device(recipe: Recipe, area: Area) -> str:
    return f"/dev/{area.place}" if area.volume else f"UUID={uuid_of(recipe, area)}"


def _needed(recipe: Recipe, disk: DiskModel, root: Area) -> Needed:
    """The modules that lead to the root: the disk's driver in each machine that boots it, LVM, the filesystem."""
    assert root.filesystem is not None
    on_lvm, root_type = root in disk.volumes, root.filesystem.type
    modules: list[tuple[str, ...]] = [("xen-blkfront", "xenblk"), FILESYSTEMS[root_type].drivers]
    of_modes, more = modules_of(recipe)
    if recipe.verify.qemu is not None:
        modules += [("virtio_blk",), ("virtio_pci",)]
    needed = dict.fromkeys((*modules, *of_modes, *([("dm-mod",)] if on_lvm else [])))
    return Needed(tuple(needed), lvm=on_lvm, remake=recipe.rootfs.image is not None, more=more)


def _with_room_for(choice: BootChoice, facts: TreeFacts | None) -> TreeFacts | None:
    """The tree as it will be: with the kernels that are brought along, and the initrds that are going to be made."""
    if facts is None:
        return facts
    more = [usage for own in choice.own for usage in own.usage]
    if choice.more_bytes:
        more.append(Usage(path="/boot", content_bytes=choice.more_bytes, inodes=len(choice.generated)))
    return facts.model_copy(update={"usage": (*facts.usage, *more)})


def _read_by_loader(entries: tuple[PlannedEntry, ...]) -> tuple[str, ...]:
    paths = [MENU_PATH] + [path for entry in entries for path in (entry.kernel, entry.initrd) if path]
    return tuple(dict.fromkeys(paths))


def _fstab_lines(recipe: Recipe, disk: DiskModel) -> list[FstabLine]:
    lines = []
    for area in disk.areas:
        if (spec := area.filesystem) is None:
            continue
        for item in area.mounts or ((Mounted("swap"),) if spec.type == "swap" else ()):
            subvolume = f"subvol={item.subvolume}" if item.subvolume else None
            own = spec.mount_options or FILESYSTEMS[spec.type].usual_options
            options = ",".join(filter(None, (own, subvolume))) or None
            mount = None if spec.type == "swap" else item.path
            lines.append(FstabLine(_device(recipe, area), mount, spec.type, options))
    return lines


def _written(recipe: Recipe, disk: DiskModel, table: str) -> list[Edit]:
    """The recipe's files, names, and where filesystems are mounted."""
    edits: list[Edit] = [*(_file(file) for file in recipe.files), *name_edits(recipe)]
    edits.append(WriteFile(path="/etc/fstab", content=table))
    return edits + [MakeDirectory(path=mount) for mount in sorted(disk.mountpoints) if mount != "/"]


def _in_order(recipe: Recipe, first: list[Edit], own: list[Edit], choice: BootChoice, last: list[Edit]) -> list[Edit]:
    """Traces go last of all that runs programs in the tree, which may leave new ones; where nothing runs, before the
    recipe's own files, so that these can be written into the finished filesystems."""
    scripts = script_edits(recipe)
    if choice.generated:
        before = [*first, *own, *scripts, *choice.edits, *choice.generated]
        return [*before, *trace_edits(recipe, before), *last]
    if scripts:
        before = [*first, *own, *scripts]
        return [*before, *trace_edits(recipe, before), *choice.edits, *last]
    return [*first, *trace_edits(recipe, ()), *own, *choice.edits, *last]


def _menus_links(facts: TreeFacts | None, *, separate_boot: bool) -> list[Edit]:
    """The other names of the menu."""
    edits = [*grub_conf_link(facts)]
    if separate_boot:
        # PV-GRUB to 1.03 opens /boot/grub/menu.lst on the boot filesystem, 1.04 also /grub/menu.lst: both are there.
        edits.append(MakeLink(path="/boot/boot", target="."))
    return edits


def _file(file: File) -> Edit:
    mode = int(file.mode, 8)
    if is_secret(file):
        return write_secret(file, mode)
    if file.content is not None:
        return WriteFile(path=file.path, content=file.content, mode=mode)
    assert file.source is not None
    return CopyFile(source=file.source, path=file.path, mode=mode)


def _check_paths(edits: list[Edit]) -> None:
    seen: set[str] = set()
    for edit in edits:
        if isinstance(edit, (WriteFile, WriteSecret, CopyFile, MakeLink)):
            if edit.path in seen:
                raise PlanError(
                    "files",
                    f"{edit.path} would be written twice",
                    resolution="imagebuild writes the hostname, fstab, menu.lst and the kernels itself: "
                    "set it there, or remove one of the two",
                )
            seen.add(edit.path)


def _checks(recipe: Recipe) -> tuple[PlannedCheck, ...]:
    def boot(machine: Machine, how: str) -> str:
        limit = f"{machine.timeout.total_seconds():g} s"
        return f"{how}; {machine.memory // MIB} MiB of memory, to {machine.expect!r} within {limit}"

    checks = [
        PlannedCheck(
            machine="static",
            what="partition table, filesystems, menu.lst, kernels and initrds read back by sfdisk, fsck, "
            "GRUB 0.97's shell and pygrub",
        )
    ]
    if recipe.verify.qemu and not has_own_code(recipe.boot.modes):
        how = "kernel, initrd and command line that menu.lst names"
        checks.append(PlannedCheck(machine="qemu", what=boot(recipe.verify.qemu, how)))
    modes = recipe.boot.modes
    if recipe.verify.xen and "pv" in modes:
        how = f"a Xen PV guest, started by an {recipe.disk.layout} PV-GRUB that reads menu.lst"
        checks.append(PlannedCheck(machine="xen", what=boot(recipe.verify.xen, how)))
    for name in modes:
        machine = MODES[name].machine
        if machine != "xen" and (settings := getattr(recipe.verify, machine)):
            checks.append(PlannedCheck(machine=machine, what=boot(settings, f"{MODES[name].title}, reading menu.lst")))
    return tuple(checks)
