"""One night: recipes in, results published one by one, and a summary of all nights, whatever went wrong."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from imagebuild import __version__
from imagebuild.artifacts.earlier_results import drop_unreplaced, prune_results, set_aside
from imagebuild.errors import ImagebuildError, Interrupted, RecipeError
from imagebuild.formats.text import size
from imagebuild.host.cache import Cache
from imagebuild.nightly import history, reserve, shared, unchanged
from imagebuild.nightly.engine import run_tasks
from imagebuild.nightly.extra import require_extra
from imagebuild.nightly.inputs import inputs_sha256
from imagebuild.nightly.links import links_of
from imagebuild.nightly.model import Done, Night, Options, Result, State, Task
from imagebuild.nightly.needs import needs_of
from imagebuild.nightly.news import as_it_stands, news_line, since_last_night
from imagebuild.nightly.store import CURRENT, RESERVED, Store, as_url
from imagebuild.nightly.summary import Summary, summary_files
from imagebuild.nightly.unchanged import Current
from imagebuild.operations.jobs import machines_of
from imagebuild.operations.recipes import parse_settings, reader
from imagebuild.operations.updates import ask_archive
from imagebuild.recipe.load import LoadedRecipe
from imagebuild.report import PackageNews, Report
from imagebuild.rootfs.debian.offer import Archives

_NO_TURN = "not started"
_STANDING = {
    State.UNCHANGED: "unchanged and still verified: not built",
    State.CHECKED: "unchanged; checked, not booted, as requested: not built again",
    State.NOT_VERIFIED: "unchanged, not verified: not built again",
}

Say = Callable[[str, str], None]
"""Given the recipe's name ("" for the night as a whole) and a line."""


@dataclass(frozen=True, slots=True)
class NightRequest:
    """What the night is asked for. `scheduler` empty: this process does it, `jobs` at once.

    `keep`: of how many nights the results stay (earlier_results.py); None: nothing is set aside, nothing pruned.
    `now` is the clock.
    """

    recipes: Sequence[Path]
    output: str
    options: Options
    jobs: int
    scheduler: str = ""
    keep: int | None = None
    now: Callable[[], datetime] = lambda: datetime.now(UTC)


@dataclass
class _Run:
    request: NightRequest
    store: Store
    nights: list[Night]
    night: Night
    say: Say
    begin: float
    notes: list[str] = field(default_factory=list)
    results: dict[str, Result] = field(default_factory=dict)
    reports: dict[str, Report] = field(default_factory=dict)
    archives: Archives = field(default_factory=lambda: Archives(Cache()))
    news: dict[str, PackageNews] = field(default_factory=dict)

    @property
    def direct(self) -> bool:
        """Results go straight into a folder; else they travel through the store."""
        return not self.request.scheduler and "://" not in self.request.output

    @property
    def directory(self) -> Path | None:
        """Where results lie as output directories; None: in the store."""
        return Path(self.request.output) if self.direct else None


def run_night(request: NightRequest, say: Say) -> Night:
    """Build what has changed, keep the night, and write its summary (summary.py).

    Raises BuildError when another night writes there, HostError for a store or scheduler that cannot be reached.
    Interrupted, the night is kept too: what did not come back is LOST.
    """
    require_extra(request.output)
    store = Store(as_url(request.output))
    with store.lock(), reserve.held(store):
        run = _begin(request, store, say)
        try:
            _work(run)
        except KeyboardInterrupt:
            _interrupted(run)
        _end(run)
    summary = Summary((*run.nights, run.night), run.reports)
    _write_up(run, summary_files(summary))
    return run.night


def _begin(request: NightRequest, store: Store, say: Say) -> _Run:
    nights, notes = history.read_nights(store)
    now = request.now()
    number = history.next_number(store)
    night = Night(number=number, begun=history.text(now), seconds=0, results=(), imagebuild_version=__version__)
    run = _Run(request, store, nights, night, say, time.monotonic(), notes)
    _note(run, history.clock_note(nights, now))
    if not request.scheduler:
        entries = Cache().entries()
        total = size(sum(entry.size_bytes for entry in entries))
        say("", f"reading the cache for damage: {len(entries)} entries, {total}")
        for line in shared.mend(Cache()):
            _note(run, line)
    return run


def _work(run: _Run) -> None:
    tasks: list[Task] = []
    if run.request.options.update:
        run.say("", "asking the archives for newer packages")
    for path in run.request.recipes:
        if task := _prepare(run, path):
            tasks.append(task)
    if not run.direct:
        for task in tasks:
            current = unchanged.read_current(run.store, task.name)
            run.store.sweep(task.name, current.stored if current else "")  # what a dead night left
    if tasks:
        for task, done in run_tasks(tasks, run.say, scheduler=run.request.scheduler, jobs=run.request.jobs):
            _take(run, task, done)


def _prepare(run: _Run, path: Path) -> Task | None:
    """The task, or None when there is nothing to do: then the result is known already."""
    options = run.request.options
    try:
        loaded = reader(locked=options.locked)(path, parse_settings(options.settings))
        name = loaded.recipe.name
        if name in run.results or name in RESERVED:
            taken = (
                "is reserved for the summary" if name in RESERVED else f"{run.results[name].recipe} has the same name"
            )
            raise RecipeError([loaded.problem("name", f"found {name}: {taken}; give each recipe its own name")])
        inputs = inputs_sha256(loaded, options.settings, options.machines)
        run.results[name] = Result(
            name=name, recipe=str(path), state=State.LOST, exit_code=Interrupted.exit_code, message=_NO_TURN
        )
        news = _ask(run, loaded) if options.update else None
        standing = _standing(run, loaded, inputs)
        why_not = standing.why_not or (news_line(news) if news and news.updated else "")
        if not why_not and standing.report:
            _unchanged(run, loaded, standing.report, inputs, news)
            return None
        run.say(name, f"to be built: {why_not}")
        if run.directory and run.request.keep:
            set_aside(run.directory, name, run.night.number - 1)
        return _task(run, loaded, inputs, update=news is not None and not news.because)
    except ImagebuildError as error:
        _refused(run, path, error)
        return None


def _ask(run: _Run, loaded: LoadedRecipe) -> PackageNews | None:
    """What the archive has for the recipe; one that does not answer is noted once, and the night goes on."""
    known = unchanged.published_packages(run.store, loaded.recipe.name, direct=run.direct)
    news = ask_archive(loaded, known, run.archives)
    if news:
        run.news[loaded.recipe.name] = news
    line = f"{news.because}: the run continues with the packages that it has" if news and news.because else ""
    if line not in run.notes:
        _note(run, line)
    return news


def _standing(run: _Run, loaded: LoadedRecipe, inputs: str) -> unchanged.Standing:
    options = run.request.options
    if run.direct:
        recorded = history.latest(run.nights, loaded.recipe.name)
        return unchanged.in_folder(loaded, Path(run.request.output), recorded, inputs, options, Cache())
    return unchanged.in_store(loaded, run.store, inputs, options, Cache())


def _unchanged(run: _Run, loaded: LoadedRecipe, report: Report, inputs: str, news: PackageNews | None) -> None:
    name, state = loaded.recipe.name, unchanged.state_of(report)
    message = _STANDING[state]
    run.results[name] = Result(
        name=name, recipe=str(loaded.path), state=state, exit_code=0,
        image=report.image.path, message=message, image_sha256=report.image.sha256,
        size_bytes=report.image.size_bytes, real_bytes=report.image.real_bytes, build_seconds=report.build_seconds,
        boot_seconds={boot.machine: boot.seconds for boot in report.boots if boot.proves == "default"},
        plan_digest=report.plan_digest or "", inputs_sha256=inputs, links=_links(run, name, report),
        packages=as_it_stands(report, news),
    )  # fmt: skip
    run.reports[name] = report
    run.say(name, message)


def _task(run: _Run, loaded: LoadedRecipe, inputs: str, *, update: bool) -> Task:
    options, name = replace(run.request.options, update=update), loaded.recipe.name
    machines = machines_of(loaded, options.machines)
    task = Task(
        name=name, recipe=str(loaded.path), options=options, output=run.request.output, inputs_sha256=inputs,
        needs=needs_of(loaded, machines),
    )  # fmt: skip
    if run.direct:
        return task
    bundle, inside = shared.send_recipe(run.store, loaded, inputs)
    return replace(
        task, recipe=inside, store=run.store.url, bundle=bundle, output="", tree_digest=shared.tree_digest(loaded)
    )


def _refused(run: _Run, path: Path, error: ImagebuildError) -> None:
    message = "\n".join(map(str, error.problems)) if isinstance(error, RecipeError) else error.brief
    name = path.stem if path.stem not in run.results else str(path)
    run.results[name] = Result(
        name=name, recipe=str(path), state=State.BROKEN, exit_code=error.exit_code, message=message
    )
    run.say(name, f"broken: {message}")


def _take(run: _Run, task: Task, done: Done) -> None:
    """Publish a result: from here on, and only here, it is what readers see."""
    packages = since_last_night(done.result.packages, run.news.get(task.name))
    result = done.result.model_copy(update={"recipe": run.results[task.name].recipe, "packages": packages})
    if done.stored:
        marks = {name: run.store.mark(f"{task.name}/{done.stored}/{name}") for name in done.files}
        assert done.report is not None
        current = Current(stored=done.stored, result=result, report=done.report, files=done.files, marks=marks)
        run.store.write(f"{task.name}/{CURRENT}", current.model_dump_json(indent=1).encode())
        run.store.sweep(task.name, done.stored)
    run.results[task.name] = result.model_copy(update={"links": _links(run, task.name, done.report)})
    if done.report:
        run.reports[task.name] = done.report
    if run.directory and run.request.keep:
        drop_unreplaced(run.directory, task.name, run.night.number - 1)
    for line in done.notes:
        _note(run, line)
    run.say(task.name, f"{result.state}" + (f": {result.message.splitlines()[0]}" if result.message else ""))
    _keep(run)


def _links(run: _Run, name: str, report: Report | None) -> dict[str, str]:
    return links_of(run.store, name, report, directory=run.directory / name if run.directory else None)


def _interrupted(run: _Run) -> None:
    _note(run, "the run was interrupted: finished recipes are published, the others were stopped or not started")


def _end(run: _Run) -> None:
    _note(run, history.jump_note(history.parse(run.night.begun) or run.request.now(), run.request.now(), _seconds(run)))
    if run.directory and run.request.keep:
        prune_results(run.directory, run.night.number, run.request.keep)
    reserve.give_up(run.store)
    _keep(run)


def _keep(run: _Run) -> None:
    """Write the night as far as it has come; a full disk is told at the end, when its reserve is given up."""
    run.night = run.night.model_copy(
        update={"results": tuple(run.results.values()), "notes": tuple(run.notes), "seconds": round(_seconds(run), 3)}
    )
    try:
        history.keep(run.store, run.night)
    except OSError as error:
        if error.errno != errno.ENOSPC or not reserve.give_up(run.store):
            raise
        _note(run, "the disk filled up during the run: earlier results are unchanged")
        _keep(run)


def _write_up(run: _Run, texts: Mapping[str, str]) -> None:
    for name, content in texts.items():
        run.store.write(name, content.encode("utf-8", "replace"))


def _seconds(run: _Run) -> float:
    return time.monotonic() - run.begin


def _note(run: _Run, line: str) -> None:
    if line:
        run.notes.append(line)
        run.say("", line)
