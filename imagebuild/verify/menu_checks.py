"""Checks of menu.lst: menu, menu-timeout, menu-default, menu-root, stray-configuration."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from imagebuild.bootloaders.menu import Menu
from imagebuild.bootloaders.menu_choice import differences, is_counted
from imagebuild.bootloaders.menus.trace import End, Run, Trace
from imagebuild.bootloaders.table import HIDDEN_FROM, LOADERS, PICKY
from imagebuild.formats.text import excerpt
from imagebuild.image.boot_files import device_error
from imagebuild.image.menu_runs import is_unknown, started_entry, why_unknown
from imagebuild.image.readers import Reader
from imagebuild.verify.view import Finding, View, failed, passed, skipped, warned

# Longer waits are a mistake more often than a wish: nobody sits before an instance's console.
_LONG_TIMEOUT_SECONDS = 60


def menu(view: View) -> Iterator[Finding]:
    """A menu lies where a PV-GRUB looks, is a text of sane size, and has an entry."""
    subject = view.subject
    at = subject.menu_at
    if at is None or subject.menu is None:
        yield failed(f"no menu.lst where PV-GRUB looks: {subject.menu_problem} (the loader stops at its prompt)")
        return
    shown = f"{at.place}{at.path}, {len(subject.menu_bytes)} bytes"
    entries = [entry for entry in subject.menu.entries if is_counted(entry)]
    if b"\0" in subject.menu_bytes:
        offset = subject.menu_bytes.index(b"\0")
        yield failed(f"{shown}: not a text, there is a zero byte at {offset}")
    elif not entries:
        yield failed(f"{shown}: it has no entry (the loader stops at its prompt)")
    elif at.since:
        yield warned(f"{shown}: found here by PV-GRUB {at.since} and later; 1.03 needs /boot/grub/menu.lst")
    else:
        yield passed(f"{shown}, {len(entries)} entries")


def menu_timeout(view: View) -> Iterator[Finding]:
    """There is a timeout, or else the loader waits at its menu for ever."""
    menu = view.subject.menu
    if menu is None:
        yield skipped("there is no menu")
    elif menu.timeout is None:
        yield failed("no timeout: PV-GRUB waits at the menu forever, and an instance has no keyboard")
    elif menu.timeout > _LONG_TIMEOUT_SECONDS:
        yield warned(f"timeout {menu.timeout}: each boot waits {menu.timeout} seconds")
    else:
        yield passed(f"timeout {menu.timeout}")


def menu_default(view: View) -> Iterator[Finding]:
    """The default entry exists and starts by itself; the fallbacks exist; every loader would take the same entry."""
    menu, trace = view.subject.menu, view.trace
    if menu is None or trace is None or not trace.runs:
        yield skipped("there is no menu with an entry")
        return
    if is_unknown(trace):
        yield skipped(f"its result depends on the machine: {why_unknown(trace)}")
        return
    default = trace.runs[0]
    shown = f"entry {view.taken.entry} ({excerpt(default.title)})"
    if default.end is not End.STARTS and trace.started is None:
        words = f"{shown} does not start by itself: {_why(view, trace.runs[-1])}"
        yield failed(words) if LOADERS[view.loader].is_grub_097 else warned(f"{words}; {view.loader} may start it")
    elif default.end is not End.STARTS and trace.started is not None:
        yield warned(f"{shown} does not start: {_why(view, default)}; the loader continues with {_named(view, trace)}")
    else:
        cautions = _cautions(view, menu)
        yield warned("; ".join(cautions)) if cautions else passed(f"{view.taken.reason}: {shown}")


def _named(view: View, trace: Trace) -> str:
    assert trace.started is not None
    return f"entry {started_entry(trace)} ({excerpt(trace.started.title)})"


def _cautions(view: View, menu: Menu) -> list[str]:
    cautions = []
    if isinstance(menu.default, int) and "does not exist" in view.taken.reason:
        cautions.append(view.taken.reason)
    counted = sum(map(is_counted, menu.entries))
    missing = [str(number) for number in menu.fallback if number >= counted]
    if missing:
        cautions.append(f"fallback {', '.join(missing)}: there is no such entry")
    return cautions + [excerpt(line) for line in differences(menu)]


def _why(view: View, run: Run) -> str:
    """Why an entry does not start, in words that say what to do where 0.97's own do not."""
    step = run.failed_step
    if step is not None and step.command == "savedefault":
        # It writes into a file, and makes none (stage2/builtins.c, savedefault_func; seen on the genuine loader).
        path = saved_default_path(view.subject.menu_path)
        return f"`savedefault` needs {path}, which does not exist: {step.error}"
    return excerpt(run.reason)


def saved_default_path(menu_path: str) -> str:
    """The file in which GRUB 0.97 keeps the entry that was started last: beside the menu."""
    return posixpath.join(posixpath.dirname(menu_path), "default")


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
