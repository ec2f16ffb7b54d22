"""A plan as text for people: a table of contents of the image to come."""

from __future__ import annotations

from imagebuild.plan.steps import (
    BootstrapDebian,
    CopyFile,
    DiskStep,
    Edit,
    GenerateInitrd,
    MakeFolder,
    MakeLink,
    Plan,
    SetPassword,
    WriteFile,
    WritePartitionTable,
)

MIB = 2**20


def outline(plan: Plan) -> str:
    """The whole plan, section by section; what only the tree can tell is marked so."""
    sections = [
        ("", _heading(plan)),
        ("root tree", _tree(plan)),
        ("partition table", _partitions(plan.disk)),
        ("filesystems", _filesystems(plan)),
        ("kernels", _kernels(plan)),
        ("changes to the tree", _edits(plan.edits)),
        ("/boot/grub/menu.lst", plan.menu.rstrip("\n").splitlines()),
        ("/etc/fstab", plan.fstab.rstrip("\n").splitlines()),
        ("steps on the disk", [_step(step) for step in plan.disk]),
        ("checks", [f"{check.machine:<7} {check.what}" for check in plan.checks]),
        ("not known until the tree is in the cache", list(plan.pending)),
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


def _tree(plan: Plan) -> list[str]:
    source = plan.tree
    if isinstance(source, BootstrapDebian):
        where = source.mirror or "this machine's own apt sources"
        return [
            f"Debian {source.suite}, variant {source.variant}, components {' '.join(source.components)}, from {where}",
            f"packages: {' '.join(source.packages) or 'none beside the variant'}",
        ]
    return [f"tar {source.path}" + (f" (sha256 {source.sha256})" if source.sha256 else "")]


def _partitions(steps: tuple[DiskStep, ...]) -> list[str]:
    for step in steps:
        if isinstance(step, WritePartitionTable):
            rows = [f"{step.table}, disk id {step.disk_id:08x}", "nr  start sector     sectors      size  type  boot"]
            return rows + [
                f"{part.number:>2}  {part.start_sector:>12}  {part.sectors:>10}  {part.size_bytes // MIB:>4} MiB  "
                f"0x{part.type_code:02x}  {'*' if part.bootable else ''}"
                for part in step.partitions
            ]
    return []


def _filesystems(plan: Plan) -> list[str]:
    return [
        f"{item.place:<12} {item.type:<8} {item.mountpoint or 'swap':<10} "
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
    lines = []
    for edit in edits:
        match edit:
            case WriteFile():
                lines.append(f"write {edit.path} ({len(edit.content.encode())} bytes, mode {edit.mode:04o})")
            case CopyFile():
                lines.append(f"copy {edit.source} to {edit.path} (mode {edit.mode:04o})")
            case MakeLink():
                lines.append(f"link {edit.path} -> {edit.target}")
            case MakeFolder():
                lines.append(f"folder {edit.path}")
            case GenerateInitrd():
                lines.append(f"generate {edit.path} with {edit.tool}, holding {', '.join(edit.modules)}")
            case SetPassword():
                lines.append(f"set the password of {edit.user} from {edit.secret}")
    return lines


def _step(step: DiskStep) -> str:
    fields = step.model_dump(mode="json", exclude={"kind", "partitions", "features", "solid"}, exclude_none=True)
    words = []
    for key, value in fields.items():
        if value not in ((), [], ""):
            words.append(f"{key}={'+'.join(map(str, value.values())) if isinstance(value, dict) else value}")
    return f"{step.kind} " + " ".join(words)
