"""GRUB 2.06's legacy_configfile: what it makes of a menu.lst, and what its script starts under Xen.

Source: grub-core/commands/legacycfg.c, grub-core/script/execute.c (an error is printed, and the script goes on),
grub-core/normal/menu.c (default, fallback; `boot` at an entry's end where a kernel is loaded), grub-core/normal/auth.c.
It forgives much that 0.97 does not: order of lines, stray words, a missing initrd.
"""

from __future__ import annotations

from dataclasses import replace

from imagebuild.bootloaders.menus.facts import Files
from imagebuild.bootloaders.menus.grub2_head import Config, read_config
from imagebuild.bootloaders.menus.grub2_script import Script
from imagebuild.bootloaders.menus.grub2_words import unsigned
from imagebuild.bootloaders.menus.trace import End, Run, Trace

_MOST_MENUS = 8


def interpret(menu: bytes, root: str, files: Files, *, depth: int = 0) -> Trace:
    """What GRUB 2 does with the bytes of a menu. `root`: the device it was set to before, such as `hd0,1` or `hd0`."""
    config = read_config(menu, root)
    trace = Trace(
        loader="grub2-legacy",
        head=tuple(config.steps),
        entries=tuple(config.entries),
        default=_default(config),
        fallbacks=(),
        timeout_seconds=config.timeout,
        runs=(),
        end=End.NO_ENTRY,
        reason="the menu has no entry",
        hidden=config.hidden and config.timeout is not None,
    )
    return _run(config, trace, files, depth) if config.entries else trace


def _default(config: Config) -> int | None:
    """get_entry_number: a number, or a title; entry 0 for what does not exist."""
    if not config.entries:
        return None
    entry = _entry_number(config, config.default)
    return entry if entry is not None and entry < len(config.entries) else 0


def _entry_number(config: Config, text: str) -> int | None:
    found = unsigned(text)
    if found is not None:
        return found[0]
    return next((index for index, entry in enumerate(config.entries) if text and entry.title == text), None)


def _run(config: Config, trace: Trace, files: Files, depth: int) -> Trace:
    """grub_menu_execute_with_fallback: an entry that comes back has failed."""

    def follow(menu: bytes, root: str) -> Trace | None:
        return interpret(menu, root, files, depth=depth + 1) if depth < _MOST_MENUS else None

    runs: list[Run] = []
    entry = trace.default
    fallback = config.fallback
    while entry is not None:
        if entry >= len(config.entries):
            return _ended(trace, runs, End.UNKNOWN, f"GRUB 2 does not check that fallback {entry} exists")
        runs.append(Script(config, entry, files, follow).run())
        if runs[-1].end is not End.FAILS or config.timeout is None:
            break
        entry, fallback = _next_fallback(config, fallback)
    if config.timeout is None:
        return _ended(trace, runs, End.WAITS_AT_MENU, "no timeout: GRUB 2 waits at the menu forever")
    if runs[-1].end is End.FAILS:
        return _ended(trace, runs, End.WAITS_AT_MENU, f"{runs[-1].reason}; back to the menu")
    return _ended(trace, runs, runs[-1].end, runs[-1].reason)


def _ended(trace: Trace, runs: list[Run], end: End, reason: str) -> Trace:
    return replace(trace, runs=tuple(runs), end=end, reason=reason)


def _next_fallback(config: Config, text: str) -> tuple[int | None, str]:
    found = unsigned(text)
    if found is None:
        return _entry_number(config, text), ""
    return found[0], found[1].lstrip()
