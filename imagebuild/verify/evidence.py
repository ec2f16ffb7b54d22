"""Whose word a boot is: the stand-in forgives what GRUB 0.97 does not."""

from __future__ import annotations

from imagebuild.bootloaders.menus.trace import End
from imagebuild.bootloaders.table import LOADERS
from imagebuild.formats.text import excerpt
from imagebuild.image.menu_runs import is_unknown, trace_of, why_unknown
from imagebuild.image.subject import Subject
from imagebuild.vocabulary import BootLoader


def stops_grub_097(subject: Subject, loader: BootLoader) -> str:
    """Why GRUB 0.97 starts nothing, where that is known and the image is meant for it; else empty.

    Only looked up: it is asked on the boots' threads, and the subject's readers are one thread's (`trace_of`).
    """
    trace = subject.traces.get("grub-0.97")
    if trace is None or not LOADERS[loader].is_grub_097:
        return ""
    return "" if trace.end in (End.STARTS, End.UNKNOWN) else excerpt(trace.reason)


def entry_stops(subject: Subject, loader: BootLoader) -> str:
    """Why GRUB 0.97 gives up every entry that it tries, before it looks into a kernel; empty where it does not."""
    trace = trace_of(subject, "grub-0.97")
    if trace is None or not trace.runs or not LOADERS[loader].is_grub_097:
        return ""
    last = trace.runs[-1]
    step = last.failed_step
    return excerpt(last.reason) if last.end is End.FAILS and step is not None and step.command != "boot" else ""


def unknown_menu(subject: Subject) -> str:
    """Why the menu depends on the machine; empty where it can: no image is bad for it."""
    trace = trace_of(subject, "grub-0.97")
    if trace is None or not is_unknown(trace):
        return ""
    return f"the menu's result depends on the machine: {why_unknown(trace)}"
