"""The writer's conscience: a menu that GRUB 0.97 would not read back as it was meant is not written.

Nor is one that GRUB 2 would not, where it has to read it, too.
"""

from __future__ import annotations

from imagebuild.bootloaders.menu import Menu, MenuEntry, write_menu
from imagebuild.bootloaders.menus import grub2_legacy
from imagebuild.bootloaders.menus.facts import EverythingThere
from imagebuild.bootloaders.menus.grub_legacy import interpret, run_alone
from imagebuild.bootloaders.menus.trace import End, FileName, Run, Trace

_NAME = "/boot/grub/menu.lst"


def misread(menu: Menu) -> str:
    """How GRUB 0.97 reads the written menu otherwise than it is meant; empty when it does not.

    Every file is taken to be there: this is about words, not about the image.
    """
    text = write_menu(menu).encode("utf-8", "surrogateescape")
    files = EverythingThere(partitioned=any("," in (entry.root or "") for entry in menu.entries))
    trace = interpret(text, _NAME, files)
    if problem := _head(menu, trace):
        return problem
    for index, (meant, found) in enumerate(zip(menu.entries, trace.entries, strict=True)):
        if meant.title != found.title:
            return f"the title of entry {index}, {meant.title!r}, is read as {found.title!r}"
        if problem := _entry(meant, run_alone(text, _NAME, files, index)):
            return f"entry {index} ({meant.title}): {problem}"
    return ""


def misread_by_grub2(menu: Menu) -> str:
    """As `misread`, for GRUB 2's legacy_configfile: the entry that starts, and the menu around it."""
    text = write_menu(menu).encode("utf-8", "surrogateescape")
    partitioned = any("," in (entry.root or "") for entry in menu.entries)
    trace = grub2_legacy.interpret(text, "hd0,1" if partitioned else "hd0", EverythingThere(partitioned=partitioned))
    wanted = menu.default if isinstance(menu.default, int) else 0
    if [entry.title for entry in trace.entries] != [entry.title for entry in menu.entries]:
        return "GRUB 2 reads its titles otherwise"
    if trace.default != wanted or trace.timeout_seconds != menu.timeout:
        return f"GRUB 2 starts entry {trace.default} after {trace.timeout_seconds} seconds"
    problem = _entry(menu.entries[wanted], trace.runs[0])
    return f"GRUB 2, entry {wanted}: {problem}" if problem else ""


def _head(menu: Menu, trace: Trace) -> str:
    if len(trace.entries) != len(menu.entries):
        return f"{len(menu.entries)} entries are read as {len(trace.entries)}"
    if trace.timeout_seconds != menu.timeout:
        return f"timeout {menu.timeout} is read as {trace.timeout_seconds}"
    wanted = menu.default if isinstance(menu.default, int) else 0
    if trace.default != wanted:
        return f"default {wanted} is read as {trace.default}"
    fallbacks = tuple(number for number in menu.fallback if number < len(menu.entries))
    if trace.fallbacks != fallbacks:
        return f"fallback {fallbacks} is read as {trace.fallbacks}"
    return ""


def _entry(meant: MenuEntry, run: Run) -> str:
    if run.end is not End.STARTS:
        return run.reason
    if _path(run.loaded.kernel) != meant.kernel:
        return f"the kernel {meant.kernel} is read as {_path(run.loaded.kernel)}"
    if run.loaded.command_line.strip() != meant.arguments.strip():
        return "its command line is read as another, or cut: a PV guest gets at most 1023 bytes"
    if _path(run.loaded.initrd) != meant.initrd:
        return f"the initrd {meant.initrd} is read as {_path(run.loaded.initrd)}"
    return ""


def _path(name: FileName | None) -> str | None:
    return name.path if name else None
