"""Which entry each boot loader starts by itself for the same menu.lst: the loaders differ, and where they do is told.

Sources: GRUB 0.97's stage2.c (cmain, run_menu) and boots of the genuine PV-GRUB; pygrub of Xen 4.17 (pygrub,
GrubConf.py); GRUB 2.06's legacycfg.c and menu.c, and what grub-menulst2cfg makes of such menus.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from imagebuild.bootloaders.menu import Menu, MenuEntry, split_command
from imagebuild.bootloaders.menus.grub_legacy.dialect import PV_GRUB

LoaderName = Literal["grub-0.97", "pygrub", "grub2-legacy"]
LOADERS: tuple[LoaderName, ...] = ("grub-0.97", "pygrub", "grub2-legacy")
# Other words are skipped, Debian's `quiet` and Ubuntu's `uuid` among them: an entry of nothing else does not count.
_COMMANDS = frozenset(PV_GRUB.commands)
_MOST_FALLBACKS = 8  # MAX_FALLBACK_ENTRIES


@dataclass(frozen=True, slots=True)
class Choice:
    """What a loader does with a menu when nobody touches a key.

    `entry` and `fallbacks` are indexes into `Menu.entries`; `entry` is None when the loader starts nothing.
    `waits`: it shows the menu for ever. `reason` says in words how it came to that entry.
    """

    entry: int | None
    fallbacks: tuple[int, ...] = ()
    waits: bool = False
    reason: str = ""


def choice(menu: Menu, loader: LoaderName) -> Choice:
    """What `loader` does with `menu`."""
    return _CHOOSERS[loader](menu)


def is_counted(entry: MenuEntry) -> bool:
    """Whether 0.97 counts the entry: a title without one known command is replaced by the next title."""
    if entry.root is not None or entry.kernel or entry.initrd or entry.modules:
        return True
    return any(split_command(line)[0] in _COMMANDS for line in entry.others)


def differences(menu: Menu) -> list[str]:
    """One line for each loader that starts another entry, or waits where another does not; empty when they agree."""
    choices = {loader: choice(menu, loader) for loader in LOADERS}
    if len({(taken.entry, taken.waits) for taken in choices.values()}) == 1:
        return []
    return [f"{loader} {_words(menu, taken)}" for loader, taken in choices.items()]


def _words(menu: Menu, taken: Choice) -> str:
    if taken.entry is None:
        return "starts nothing"
    started = f"entry {taken.entry} ({menu.entries[taken.entry].title})"
    return f"waits forever at {started}" if taken.waits else f"starts {started}"


def _numbers(menu: Menu, counted: list[int]) -> tuple[int, ...]:
    """The fallbacks that exist, in order, each once."""
    valid = [number for number in dict.fromkeys(menu.fallback[:_MOST_FALLBACKS]) if number < len(counted)]
    return tuple(counted[number] for number in valid)


def _grub_097(menu: Menu) -> Choice:
    counted = [index for index, entry in enumerate(menu.entries) if is_counted(entry)]
    fallbacks = _numbers(menu, counted)
    waits = menu.timeout is None
    if not counted:
        return Choice(None, reason="the menu has no entry")
    if menu.default == "saved":
        # The number is read from a file that a fresh image does not have: 0.
        return Choice(counted[0], fallbacks, waits, "`default saved` is entry 0 in a fresh image")
    wanted = menu.default or 0
    if wanted < len(counted):
        return Choice(counted[wanted], fallbacks, waits, f"default {wanted}")
    if fallbacks:
        return Choice(fallbacks[0], fallbacks[1:], waits, f"default {wanted} does not exist: the first fallback")
    return Choice(counted[0], (), waits, f"default {wanted} does not exist: entry 0")


def _pygrub(menu: Menu) -> Choice:
    """It knows no fallback, and waits a second where there is no timeout (tried with a terminal)."""
    counted = list(range(len(menu.entries)))
    if counted and _is_empty(menu.entries[-1]):
        counted.pop()
    if not counted:
        return Choice(None, reason="the menu has no entry")
    wanted = menu.default if isinstance(menu.default, int) else 0
    if wanted < len(counted):
        return Choice(counted[wanted], (), waits=False, reason=f"default {wanted}")
    return Choice(counted[0], (), waits=False, reason=f"default {wanted} does not exist: entry 0")


def _is_empty(entry: MenuEntry) -> bool:
    has_field = entry.root is not None or entry.kernel or entry.initrd or entry.modules
    return not has_field and all(line.startswith("#") for line in entry.others)


def _grub2_legacy(menu: Menu) -> Choice:
    """Every title counts. `default saved` reads an environment block that is not there: entry 0."""
    counted = list(range(len(menu.entries)))
    if not counted:
        return Choice(None, reason="the menu has no entry")
    wanted = menu.default if isinstance(menu.default, int) else 0
    waits = menu.timeout is None
    fallbacks = _numbers(menu, counted)
    if wanted < len(counted):
        return Choice(wanted, fallbacks, waits, f"default {wanted}")
    return Choice(0, fallbacks, waits, f"default {wanted} does not exist: entry 0")


_CHOOSERS: dict[LoaderName, Callable[[Menu], Choice]] = {
    "grub-0.97": _grub_097,
    "pygrub": _pygrub,
    "grub2-legacy": _grub2_legacy,
}
