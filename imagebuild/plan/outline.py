"""A plan as text for people: a table of contents of the image to come."""

from __future__ import annotations

from typing import assert_never

from imagebuild.plan.disk_vocabulary import DiskStep, WritePartitionTable
from imagebuild.plan.steps import (
    BootstrapDebian,
    CopyFile,
    CopyInTree,
    Edit,
    GenerateInitrd,
    IndexModules,
    MakeDirectory,
    MakeLink,
    Plan,
    Remove,
    RepackKernel,
    SetPassword,
    TakeDirectory,
    TakeImage,
    TakeOci,
    UnpackPackage,
    UnpackTar,
    WriteFile,
    WriteSecret,
)
from imagebuild.plan.system_vocabulary import AddUser, AuthorizeKeys, JoinGroups, RemoveTraces, RunScript

MIB = 2**20


def outline(plan: Plan) -> str:
    """The whole plan, section by section; what only the tree can tell is marked so."""
    sections = [
        ("", _heading(plan)),
        ("root tree", tree_lines(plan)),
        ("partition table", _partitions(plan.disk)),
        ("filesystems", _filesystems(plan)),
        ("kernels", _kernels(plan)),
        ("changes to the tree", _edits(plan.edits)),
        ("changes to the populated filesystems", _edits(plan.finishing)),
        ("/boot/grub/menu.lst", plan.menu.rstrip("\n").splitlines()),
        ("/etc/fstab", plan.fstab.rstrip("\n").splitlines()),
        ("steps on the disk", [_step(step) for step in plan.disk]),
        ("notes", list(plan.notes)),
        ("checks", [f"{check.machine:<7} {check.what}" for check in plan.checks]),
        ("unknown until the tree is in the cache", list(plan.pending)),
    ]
    parts = []
    for title, lines in sections:
        if lines:
            body = "\n".join(f"  {line}".rstrip() if title else line for line in lines)
            parts.append(f"{title}\n{body}" if title else body)
    return "\n\n".join([*parts, f"digest  {plan.digest}" + ("  (preliminary)" if plan.pending else "")]) + "\n"


def _heading(plan: Plan) -> list[str]:
    size = f"{plan.size_bytes // MIB} MiB" if plan.size_bytes else "size computed from the tree"
    what = {"hd0": "one filesystem fills the disk", "hd00": "a partition table, boot partition first"}[plan.layout]
    name = plan.name + (f" {plan.version}" if plan.version else "")
    return [f"{name}: {plan.architecture}, layout {plan.layout} ({what}), {size}"]


def tree_lines(plan: Plan) -> list[str]:
    """Where the root tree comes from, in words."""
    match plan.tree:
        case BootstrapDebian() as source:
            where = source.mirror or "this machine's apt sources"
            components = " ".join(source.components)
            return [
                f"Debian {source.suite}, variant {source.variant}, components {components}, from {where}",
                f"packages: {' '.join(source.packages) or 'none beside the variant'}",
            ]
        case UnpackTar(path=path, sha256=sha256):
            return [f"tar {path}{_pinned(sha256)}"]
        case TakeDirectory(path=path):
            return [f"directory {path}: owners unchanged (an ordinary user's own files become root's)"]
        case TakeImage(path=path, sha256=sha256, root=root):
            return [f"the tree inside {path}{_pinned(sha256)}, root filesystem {root or 'found there'}"]
        case TakeOci(path=path, tag=tag):
            return [f"OCI image layout {path}" + (f", tag {tag}" if tag else "")]
        case _:
            assert_never(plan.tree)


def _pinned(sha256: str | None) -> str:
    return f" (sha256 {sha256})" if sha256 else ""


def _partitions(steps: tuple[DiskStep, ...]) -> list[str]:
    for step in steps:
        if isinstance(step, WritePartitionTable):
            identity = f"disk id {step.disk_id:08x}" if step.table == "mbr" else f"disk GUID {step.uuid}"
            rows = [f"{step.table}, {identity}", "nr  start sector     sectors      size  type  boot"]
            return rows + [
                f"{part.number:>2}  {part.start_sector:>12}  {part.sectors:>10}  {part.size_bytes // MIB:>4} MiB  "
                f"0x{part.type_code:02x}  {'*' if part.bootable else ''}"
                for part in step.partitions
            ]
    return []


def _filesystems(plan: Plan) -> list[str]:
    return [
        f"{item.place:<12} {item.type:<8} {item.mountpoint or ('swap' if item.type == 'swap' else 'not mounted'):<10} "
        f"{f'{item.size_bytes // MIB} MiB' if item.size_bytes else 'computed':>10}  UUID {item.uuid}"
        + (f"  label {item.label}" if item.label else "")
        for item in plan.filesystems
    ]


def _kernels(plan: Plan) -> list[str]:
    return [
        f"{number}: {entry.title}: {entry.kernel}, " + (entry.initrd or "no initrd")
        for number, entry in enumerate(plan.entries)
    ]


def _edits(edits: tuple[Edit, ...]) -> list[str]:
    return [_edit(edit) for edit in edits]


def _edit(edit: Edit) -> str:
    match edit:
        case Remove():
            return f"remove {edit.path}: {edit.reason}"
        case WriteFile():
            return f"write {edit.path} ({len(edit.content.encode())} bytes, mode {edit.mode:04o})"
        case CopyFile():
            return f"copy {edit.source} to {edit.path} (mode {edit.mode:04o})"
        case MakeLink():
            return f"link {edit.path} -> {edit.target}"
        case MakeDirectory():
            return f"directory {edit.path}"
        case UnpackPackage():
            return f"unpack {edit.source} (sha256 {edit.sha256})"
        case IndexModules():
            return f"index the modules of {edit.kernel_version} with depmod"
        case CopyInTree():
            return f"copy {edit.source} of the tree to {edit.path}"
        case RepackKernel():
            return f"append a second payload, compressed with gzip, to {edit.path}"
        case GenerateInitrd():
            return f"generate {edit.path} with {edit.tool}, holding {', '.join(edit.modules)}"
        case (
            AddUser() | JoinGroups() | AuthorizeKeys() | SetPassword() | WriteSecret() | RunScript() | RemoveTraces()
        ):  # fmt: skip
            return _system_edit(edit)
        case _:
            assert_never(edit)


def _system_edit(
    edit: AddUser | JoinGroups | AuthorizeKeys | SetPassword | WriteSecret | RunScript | RemoveTraces,
) -> str:
    match edit:
        case WriteSecret():
            return f"write {edit.path} ({edit.size_bytes} bytes, mode {edit.mode:04o}): the plan does not hold its text"
        case RemoveTraces():
            paths = ", ".join((*edit.removed, *edit.emptied))
            return f"remove {edit.name} ({paths}), unless the recipe writes it: {edit.reason}"
        case SetPassword():
            return f"set the password of {edit.user} from {edit.secret}"
        case AddUser():
            number = "number unknown yet" if edit.uid is None else f"{edit.uid}:{edit.gid}"
            return f"user {edit.name} ({number}), home {edit.home}, shell {edit.shell}"
        case JoinGroups():
            return f"{edit.user} joins {', '.join(edit.groups)}"
        case AuthorizeKeys():
            written = [" ".join((key.split()[0], *key.split()[2:])) for key in edit.keys]
            return f"keys of {', '.join([*edit.sources, *written])} for {edit.user}"
        case RunScript():
            command = " ".join((edit.source, *edit.arguments))
            return (
                f"run {command} ({'with' if edit.network else 'without'} network, {edit.timeout_seconds:g} s at most)"
            )
        case _:
            assert_never(edit)


def _step(step: DiskStep) -> str:
    fields = step.model_dump(
        mode="json", exclude={"kind", "partitions", "features", "solid", "most_sectors"}, exclude_none=True
    )
    shown = [f"{key}={_value(value)}" for key, value in fields.items() if value not in ((), [], "")]
    return f"{step.kind} " + " ".join(shown)


def _value(value: object) -> str:
    """One field in a few words: `1048576+268435456` for a stretch of the disk, several joined by commas."""
    if isinstance(value, dict):
        return "+".join(_value(item) for item in value.values() if item not in ([], None))
    if isinstance(value, list):
        return ",".join(map(_value, value))
    return str(value)
