"""The check of the first program: what the kernel or the initrd starts as process 1 is there and can be started.

Sources: Linux' init/main.c (kernel_init: init=, then /sbin/init, /etc/init, /bin/init, /bin/sh; rdinit=); the init of
initramfs-tools (falls back to that list when init= is not there, panics without any); dracut's 99base/init.sh and
systemd's switch-root (no fallback for init=).
"""

from __future__ import annotations

from collections.abc import Iterator

from imagebuild.formats.device_name import read_device_name
from imagebuild.formats.elf import read_program
from imagebuild.formats.fstab import needs, read_fstab, simple_path
from imagebuild.formats.root_argument import read_command_line
from imagebuild.formats.text import excerpt
from imagebuild.image.boot_files import FileAt
from imagebuild.image.places import Place
from imagebuild.image.readers import ReadError
from imagebuild.image.root_tree import Found, RootTree
from imagebuild.verify.view import Finding, ReachedEntry, View, failed, passed, skipped, warned

_INITS = ("/sbin/init", "/etc/init", "/bin/init")
_LAST_RESORT = "/bin/sh"
_MOST_PROGRAM_BYTES = 128 * 2**20
_MOST_FSTAB_BYTES = 2**20
_MOST_INTERPRETERS = 4


def init(view: View) -> Iterator[Finding]:
    """The root holds a first program for the default entry, which is executable and the kernel's architecture."""
    if not view.entries:
        yield skipped("there is no entry")
        return
    reached = view.entries[0]
    if not view.is_linux(reached):
        yield passed(f"{reached.shown}: the kernel is not Linux and starts no init")
        return
    if problem := _initrds_init(view, reached):
        yield problem
    root = view.root
    if root is None or view.subject.reader(root) is None:
        yield skipped("the root filesystem is not known, or cannot be read here")
        return
    yield _judge(view, reached, root, RootTree(view.subject, root, mounts_of(view, root)))


def mounts_of(view: View, root: Place) -> list[tuple[str, Place]]:
    """What the root's fstab mounts out of the image, by mountpoint."""
    try:
        text = view.subject.read(root, "/etc/fstab", _MOST_FSTAB_BYTES).decode("utf-8", "surrogateescape")
    except ReadError:
        return []
    found = []
    for need in needs(read_fstab(text)):
        place = view.resolve(read_device_name(need.line.source)) if need.dependencies else None
        if isinstance(place, Place) and not need.line.is_swap and place != root and not need.line.is_bind:
            found.append((simple_path(need.line.mountpoint), place))
    return found


def _initrds_init(view: View, reached: ReachedEntry) -> Finding | None:
    """An initrd without its own first program is not started: the kernel mounts root= by itself."""
    facts = view.initrd_of(reached.initrd) if isinstance(reached.initrd, FileAt) else None
    if facts is None:
        return None
    words = dict(read_command_line(reached.entry.arguments))
    wanted = (words.get("rdinit") or "/init").lstrip("/")
    if wanted in facts.names or "linuxrc" in facts.names:
        return None
    device = view.root_of(reached).device
    shown = f"{reached.shown}: its initrd has no /{excerpt(wanted)}, so the kernel looks for the root alone"
    return failed(f"{shown}, and cannot find it") if device and device.wants_initrd else warned(shown)


def _judge(view: View, reached: ReachedEntry, root: Place, tree: RootTree) -> Finding:
    asked = view.root_of(reached).init
    if asked:
        problem = _problem(view, reached, tree, asked)
        if not problem:
            return passed(f"{root.name}: init={excerpt(asked)} {_words(tree, asked)}")
        if not _falls_back(view, reached):
            return failed(f"{root.name}: init={excerpt(asked)}: {problem}")
    problems = {path: _problem(view, reached, tree, path) for path in _INITS}
    sound = [path for path, problem in problems.items() if not problem]
    if sound and asked:
        return warned(f"{root.name}: init={excerpt(asked)}: {problem}; its initrd falls back to {sound[0]}")
    if sound:
        return passed(f"{root.name}: {_words(tree, sound[0])}")
    if not tree.has_programs():
        return warned(f"{root.name}: it contains no program at all, so there is no operating system to check")
    there = [f"{path}: {problem}" for path, problem in problems.items() if problem != "does not exist"]
    lacking = "; ".join(there) or f"none of {', '.join(_INITS)} exists"
    shell = "" if _problem(view, reached, tree, _LAST_RESORT) else " (the boot ends in /bin/sh, not in a system)"
    return failed(f"{root.name}: no init: {lacking}{shell}")


def _falls_back(view: View, reached: ReachedEntry) -> bool:
    facts = view.initrd_of(reached.initrd) if isinstance(reached.initrd, FileAt) else None
    return facts is not None and ("conf/initramfs.conf" in facts.names or "scripts/functions" in facts.names)


def _words(tree: RootTree, path: str) -> str:
    found = tree.find(path)
    behind = f" ({excerpt(found.path)})" if found and found.path != path else ""
    return f"{path}{behind} can be started"


def _problem(view: View, reached: ReachedEntry, tree: RootTree, path: str) -> str:
    """Why the kernel cannot start the program at `path`; empty: it can."""
    current, through = path, ""
    for _number in range(_MOST_INTERPRETERS):
        found = tree.find(current)
        if found is None:
            return f"{through}does not exist"
        if problem := _not_startable(found):
            return f"{through}{problem}"
        try:
            facts = read_program(tree.read(found, _MOST_PROGRAM_BYTES))
        except ReadError as error:
            return f"{through}{error}" if found.inode is not None else ""
        if facts is None:
            return f"{through}is neither an ELF program nor a script"
        if problem := _other_machine(view, reached, facts.machine):
            return f"{through}{problem}"
        if not facts.interpreter or (facts.kind == "ELF" and current != path and through.startswith("its interpreter")):
            return ""
        current = facts.interpreter
        through = f"its interpreter {excerpt(current)} "
    return "its interpreters call one another"


def _not_startable(found: Found) -> str:
    if found.inode is None:
        return ""
    if found.inode.type != "regular":
        return f"is no file but: {found.inode.type}"
    return "" if found.is_executable else f"is not executable (mode {found.inode.mode:04o})"


def _other_machine(view: View, reached: ReachedEntry, machine: str) -> str:
    """A 64-bit kernel starts 32-bit programs, too, unless it was built without."""
    facts = view.kernel_of(reached.kernel) if isinstance(reached.kernel, FileAt) else None
    if not machine or facts is None or machine == facts.architecture:
        return ""
    config = view.config_of(reached.kernel) if isinstance(reached.kernel, FileAt) else None
    if (facts.architecture, machine) == ("x86_64", "i386"):
        lacks = config is not None and "CONFIG_IA32_EMULATION=y" not in config
        return "is a 32-bit program, and the kernel has no CONFIG_IA32_EMULATION" if lacks else ""
    return f"is a program for {machine}, and the kernel is for {facts.architecture}"
