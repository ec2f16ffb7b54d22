"""Checks of menu.lst: menu, menu-timeout, menu-default, menu-root, stray-configuration."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from imagebuild.bootloaders.menu import Menu, MenuEntry, split_command
from imagebuild.bootloaders.menu_choice import differences, is_counted
from imagebuild.bootloaders.table import HIDDEN_FROM, LOADERS, PICKY
from imagebuild.formats.text import excerpt
from imagebuild.image.boot_files import device_error
from imagebuild.image.readers import Reader, ReadError
from imagebuild.verify.view import Finding, View, failed, passed, skipped, warned

# Longer waits are a mistake more often than a wish: nobody sits before an instance's console.
_LONG_TIMEOUT_SECONDS = 60
_LEAST_SAVED_BYTES, _MOST_SAVED_BYTES = 10, 2**16


def menu(view: View) -> Iterator[Finding]:
    """A menu lies where a PV-GRUB looks, is a text of sane size, and has an entry."""
    subject = view.subject
    at = subject.menu_at
    if at is None or subject.menu is None:
        yield failed(f"no menu.lst where PV-GRUB looks: {subject.menu_problem} (the loader ends at its prompt)")
        return
    shown = f"{at.place}{at.path}, {len(subject.menu_bytes)} bytes"
    entries = [entry for entry in subject.menu.entries if is_counted(entry)]
    if b"\0" in subject.menu_bytes:
        offset = subject.menu_bytes.index(b"\0")
        yield failed(f"{shown}: not a text, there is a zero byte at {offset}")
    elif not entries:
        yield failed(f"{shown}: it has no entry (the loader ends at its prompt)")
    elif at.since:
        yield warned(f"{shown}: found here by PV-GRUB {at.since} and later only; 1.03 wants /boot/grub/menu.lst")
    else:
        yield passed(f"{shown}, {len(entries)} entries")


def menu_timeout(view: View) -> Iterator[Finding]:
    """There is a timeout, or else the loader waits at its menu for ever."""
    menu = view.subject.menu
    if menu is None:
        yield skipped("there is no menu")
    elif menu.timeout is None:
        yield failed("no timeout: PV-GRUB waits at the menu for ever, and an instance has no keyboard")
    elif menu.timeout > _LONG_TIMEOUT_SECONDS:
        yield warned(f"timeout {menu.timeout}: each boot waits {menu.timeout} seconds")
    else:
        yield passed(f"timeout {menu.timeout}")


def menu_default(view: View) -> Iterator[Finding]:
    """The default entry exists and starts by itself; the fallbacks exist; every loader would take the same entry."""
    menu = view.subject.menu
    if menu is None or view.taken.entry is None:
        yield skipped("there is no menu with an entry")
        return
    taken = menu.entries[view.taken.entry]
    if stops := _stops(menu, taken) or _cannot_save(view, taken):
        yield failed(f"entry {view.taken.entry} ({excerpt(taken.title)}) does not start by itself: {stops}")
        return
    cautions = []
    if isinstance(menu.default, int) and "does not exist" in view.taken.reason:
        cautions.append(view.taken.reason)
    counted = sum(map(is_counted, menu.entries))
    missing = [str(number) for number in menu.fallback if number >= counted]
    if missing:
        cautions.append(f"fallback {', '.join(missing)}: there is no such entry")
    cautions += [excerpt(line) for line in differences(menu)]
    words = f"{view.taken.reason}: entry {view.taken.entry} ({excerpt(taken.title)})"
    yield warned("; ".join(cautions)) if cautions else passed(words)


def _stops(menu: Menu, entry: MenuEntry) -> str:
    """Why an entry waits for somebody (stage2/builtins.c: pause_func, lock_func); empty when it does not."""
    words = {split_command(line)[0] for line in entry.others}
    has_password = any(split_command(line)[0] == "password" for line in menu.others)
    if "pause" in words:
        return "`pause` waits for a key"
    if "lock" in words and has_password:
        return "`lock` asks for the menu's password (Error 32)"
    return ""


def saved_default_path(menu_path: str) -> str:
    """The file in which GRUB 0.97 keeps the entry that was started last: beside the menu."""
    return posixpath.join(posixpath.dirname(menu_path), "default")


def _cannot_save(view: View, entry: MenuEntry) -> str:
    """`savedefault` writes into a file, and makes none: without it the entry ends there (seen on the genuine loader).

    stage2/builtins.c, savedefault_func, reads ten bytes of it first.
    """
    if not any(split_command(line)[0] == "savedefault" for line in entry.others):
        return ""
    path = saved_default_path(view.subject.menu_path)
    place = view.subject.boot_place
    assert place is not None
    try:
        content = view.subject.read(place, path, _MOST_SAVED_BYTES)
    except ReadError:
        return f"`savedefault` wants {path}, which is not there: Error 15: File not found"
    return "" if len(content) >= _LEAST_SAVED_BYTES else f"`savedefault` wants ten bytes in {path}"


def menu_root(view: View) -> Iterator[Finding]:
    """Each entry's `root` names a device that the image has."""
    if not view.entries:
        yield skipped("there is no entry")
    for reached in view.entries:
        root = reached.entry.root
        if root is None:
            paths = [path for path in (reached.entry.kernel, reached.entry.initrd) if path]
            if all(path.startswith("(") for path in paths):
                yield passed(f"{reached.shown}: no root line, the paths name their device")
            elif LOADERS[view.loader].is_grub_097:
                yield failed(f"{reached.shown}: no root line: Error 21: Selected disk does not exist")
            else:
                yield warned(f"{reached.shown}: no root line; PV-GRUB then finds no disk (Error 21)")
            continue
        device = root.split()[0] if root.split() else ""
        if view.subject.place(device) is None:
            yield failed(f"{reached.shown}: root {excerpt(root)}: {device_error(view.subject, excerpt(device))}")
        else:
            yield passed(f"{reached.shown}: root {device}")


def stray_configuration(view: View) -> Iterator[Finding]:
    """No other loader's configuration hides menu.lst from a loader that would rather read that."""
    subject = view.subject
    place = subject.boot_place
    reader = subject.reader(place) if place else None
    if place is None or reader is None:
        yield skipped("there is no filesystem to look into")
        return
    found = stray_configurations(reader)
    if not found:
        yield passed("none")
        return
    hides = f"{place.name}: {', '.join(found)}: {HIDDEN_FROM} reads this instead of menu.lst"
    yield failed(hides) if LOADERS[view.loader] in PICKY else warned(f"{hides}; PV-GRUB itself does not")


def stray_configurations(reader: Reader) -> list[str]:
    """What some loader would read in place of menu.lst."""
    found = []
    folders: dict[str, list[str]] = {}
    for path in dict.fromkeys(path for loader in PICKY for path in loader.before_menu):
        folder, _, name = path.rpartition("/")
        if folder not in folders:
            folders[folder] = reader.names(folder or "/")
        if name in folders[folder]:
            found.append(path)
    return found
