"""GRUB 0.97's menu, run: `interpret` is cmain and run_menu (stage2/stage2.c), up to the kernel that starts.

lines.py      bytes to lines, words, numbers
dialect.py    which commands there are in PV-GRUB and in the shell, and where each may stand
head.py       the lines above the first title; which entries count
devices.py    (hd0,0): device strings, partitions, files
builtins.py   what each command of an entry does
entry.py      an entry, line by line
"""

from __future__ import annotations

from dataclasses import replace

from imagebuild.bootloaders.menus.facts import Files
from imagebuild.bootloaders.menus.grub_legacy.builtins import default_file
from imagebuild.bootloaders.menus.grub_legacy.device import Device
from imagebuild.bootloaders.menus.grub_legacy.devices import Disks, parse_device
from imagebuild.bootloaders.menus.grub_legacy.dialect import PV_GRUB, Dialect
from imagebuild.bootloaders.menus.grub_legacy.entry import EntryRun, run_entry
from imagebuild.bootloaders.menus.grub_legacy.errors import BuiltinError, CannotJudgeError
from imagebuild.bootloaders.menus.grub_legacy.head import MOST_TITLE_BYTES, Config, read_config
from imagebuild.bootloaders.menus.grub_legacy.lines import BadNumber, config_lines, parse_number
from imagebuild.bootloaders.menus.trace import End, Run, Trace

_MOST_MENU_BYTES = 256 * 1024
_MOST_SAVED_BYTES = 10
_NO_TIMEOUT = "no timeout: 0.97 waits at the menu forever"


def interpret(menu: bytes, menu_name: str, files: Files, dialect: Dialect = PV_GRUB) -> Trace:
    """What 0.97 does with the bytes of a menu. `menu_name`: its full name, such as `(hd0,0)/boot/grub/menu.lst`."""
    return _interpret(menu, menu_name, Disks(files, dialect), dialect.first_root, frozenset(), hidden=False)


def run_alone(menu: bytes, menu_name: str, files: Files, index: int, dialect: Dialect = PV_GRUB) -> Run:
    """Entry `index` (of those that count) by itself, as when somebody chooses it. Raises IndexError."""
    config = read_config(config_lines(menu), dialect, 0)
    return run_entry(config, index, Disks(files, dialect), menu_name)[0]


def _interpret(menu: bytes, name: str, disks: Disks, saved: Device, seen: frozenset[str], *, hidden: bool) -> Trace:
    """`saved` is the root device when the menu is read: a name without a device is on it (`configfile`)."""
    remarks: tuple[str, ...] = ()
    try:
        saved_entry = _saved_entry(name, disks, saved)
    except CannotJudgeError as unknown:
        saved_entry = 0
        remarks = (f"{unknown}; read as 0",)
    config = read_config(config_lines(menu), disks.dialect, saved_entry, hidden=hidden)
    trace = _untried(config, remarks)
    early = _before_the_menu(config, menu)
    if early is not None:
        return _ended(trace, *early)
    waits = config.timeout < 0
    if disks.dialect.keyboard and config.timeout > 0 and not config.hidden:
        config.fallback_at = -1  # the key that ended the countdown ends the fallbacks, too
    return _run(config, trace, name, disks, seen, waits=waits)


def _before_the_menu(config: Config, menu: bytes) -> tuple[End, str] | None:
    """What keeps 0.97 from its menu, or us from judging it."""
    titles = sum(len(entry.title.encode("utf-8", "surrogateescape")) + 1 for entry in config.entries)
    if config.hangs:
        return End.HANGS, config.hangs
    if config.waits:
        return End.WAITS_FOR_KEY, config.waits
    if titles > MOST_TITLE_BYTES or len(menu) > _MOST_MENU_BYTES:
        return End.UNKNOWN, "the menu is larger than the memory that 0.97 has for it"
    if not config.entries:
        return End.NO_ENTRY, "the menu has no entry: 0.97 ends at its prompt"
    if config.changes:
        return End.UNKNOWN, config.changes
    return None


def _untried(config: Config, remarks: tuple[str, ...]) -> Trace:
    return Trace(
        loader="grub-0.97",
        head=tuple(config.steps),
        entries=tuple(config.entries),
        default=config.default if config.entries else None,
        fallbacks=config.remaining_fallbacks(),
        timeout_seconds=config.timeout if config.timeout >= 0 else None,
        runs=(),
        end=End.UNKNOWN,
        reason="",
        hidden=config.hidden and config.timeout >= 0,
        remarks=remarks,
    )


def _ended(trace: Trace, end: End, reason: str, runs: tuple[Run, ...] = ()) -> Trace:
    return replace(trace, end=end, reason=reason, runs=runs)


def _run(config: Config, trace: Trace, name: str, disks: Disks, seen: frozenset[str], *, waits: bool) -> Trace:
    """run_menu: the default entry, and after a failure the fallbacks, in turn."""
    runs: list[Run] = []
    entry: int | None = config.default
    while entry is not None:
        run, state = run_entry(config, entry, disks, name)
        runs.append(run)
        if state.loads_menu is not None:
            return _other_menu(trace, tuple(runs), state, disks, seen | {name}, waits=waits)
        if run.end is not End.FAILS:
            break
        entry = config.next_fallback()
    if waits:
        return _ended(trace, End.WAITS_AT_MENU, _NO_TIMEOUT, tuple(runs))
    last = runs[-1]
    if last.end is End.FAILS:
        return _ended(trace, End.WAITS_FOR_KEY, f"{last.reason}; 0.97 waits for a key forever", tuple(runs))
    return _ended(trace, last.end, last.reason, tuple(runs))


def _other_menu(
    trace: Trace, runs: tuple[Run, ...], state: EntryRun, disks: Disks, seen: frozenset[str], *, waits: bool
) -> Trace:
    """`configfile`: the machine goes on with another menu; its entry that starts is told as the last run."""
    loads = state.loads_menu
    assert loads is not None
    if loads.name in seen:
        return _ended(trace, End.HANGS, f"{loads.name} is loaded again and again", runs)
    try:
        menu = disks.read(loads.opened, _MOST_MENU_BYTES)
    except CannotJudgeError as unknown:
        return _ended(trace, End.UNKNOWN, f"`configfile {loads.name}`: {unknown}", runs)
    inner = _interpret(menu, loads.name, disks, loads.saved, seen, hidden=state.machine.config.hidden)
    if waits:
        return _ended(trace, End.WAITS_AT_MENU, _NO_TIMEOUT, (*runs, *inner.runs))
    return _ended(trace, inner.end, f"{loads.name}: {inner.reason}", (*runs, *inner.runs))


def _saved_entry(name: str, disks: Disks, saved: Device) -> int:
    """The number in the file `default` beside the menu; 0 without one. Raises CannotJudgeError.

    `A:B` holds B, the entry that is started once (Xen's 30savedefault).
    """
    try:
        if name.startswith("("):
            parse_device(name, saved)
        opened = disks.open(default_file(name), saved)
    except BuiltinError:
        return 0
    if not opened.size_bytes:
        return 0
    content = disks.read(opened, _MOST_SAVED_BYTES)[: _MOST_SAVED_BYTES - 1].split(b"\0")[0].decode("latin-1")
    found = parse_number(content.partition(":")[2] if ":" in content else content)
    return 0 if isinstance(found, BadNumber) else found[0]
