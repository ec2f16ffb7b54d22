"""What each boot loader does with an image's menu, as data for `inspect`: the three interpreters side by side."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from imagebuild.bootloaders.menu_choice import Choice
from imagebuild.bootloaders.menus import trace as menu_trace
from imagebuild.bootloaders.menus.trace import LoaderName, Trace
from imagebuild.formats.text import escaped
from imagebuild.image.menu_runs import trace_of
from imagebuild.image.subject import Subject


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Run(_Facts):
    """One try of an entry (`entry` counts all titles): `lines` say what each line did, or which error it was.

    `end`: `starts`, `fails`, `waits for a key`, `cannot be judged` …
    """

    entry: int
    title: str
    lines: tuple[str, ...]
    end: str
    kernel: str
    command_line: str
    initrd: str


class LoaderChoice(_Facts):
    """What a loader starts by itself; `entry` None: nothing. `waits`: it shows the menu for ever.

    `runs`: the entries that it tries, in turn; without a timeout, what Enter would start. `end` as a run's.
    """

    loader: LoaderName
    entry: int | None
    fallbacks: tuple[int, ...]
    waits: bool
    reason: str
    end: str = ""
    runs: tuple[Run, ...] = ()


def loader_choice(subject: Subject, loader: LoaderName, taken: Choice) -> LoaderChoice:
    trace = trace_of(subject, loader)
    assert trace is not None
    return LoaderChoice(
        loader=loader,
        entry=taken.entry,
        fallbacks=taken.fallbacks,
        waits=taken.waits,
        reason=taken.reason,
        end=trace.end,
        runs=tuple(_run(trace, run) for run in trace.runs),
    )


def _run(trace: Trace, run: menu_trace.Run) -> Run:
    loaded = run.loaded
    return Run(
        entry=trace.entries[run.entry].ordinal if run.entry < len(trace.entries) else run.entry,
        title=escaped(run.title),
        lines=tuple(escaped(str(step)) for step in run.steps),
        end=run.end,
        kernel=escaped(str(loaded.kernel)) if loaded.kernel else "",
        command_line=escaped(loaded.command_line),
        initrd=escaped(str(loaded.initrd)) if loaded.initrd else "",
    )
