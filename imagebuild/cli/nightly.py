"""`nightly` and `worker`: a folder of recipes every night, on this machine or on many."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from imagebuild.cli.terminal import Segment, now_utc, say, stamp
from imagebuild.cli.validate import parse_settings
from imagebuild.errors import OK, Interrupted, Problem, RecipeError
from imagebuild.formats.text import duration, printable, size
from imagebuild.host.cache import Cache
from imagebuild.nightly.junit import junit_of_night
from imagebuild.nightly.model import Limits, Night, Options, State
from imagebuild.nightly.night import Summary, Wishes, run_night
from imagebuild.nightly.worker import jobs_here, offered, probe, serve
from imagebuild.vocabulary import MachineName

_STYLE = {
    State.PASSED: "bold green",
    State.NOT_VERIFIED: "yellow",
    State.UNCHANGED: "green",
    State.FAILED: "bold red",
    State.BROKEN: "bold red",
    State.UNVERIFIED: "bold yellow",
    State.LOST: "bold yellow",
}


_LIMITS = Limits()
# How a worker starts imagebuild; empty: as itself. The tests put another program here.
PROGRAM: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NightlyOptions:
    """What the command line says. `machines` None: all that each recipe has; empty: --no-verify. `jobs` 0: as fits."""

    output: str
    machines: tuple[MachineName, ...] | None
    jobs: int = 0
    scheduler: str = ""
    limits: Limits = _LIMITS
    locked: bool = False


def nightly(paths: Sequence[Path], settings: Sequence[str], options: NightlyOptions) -> int:
    """One night; the exit code of the worst recipe."""
    jobs = options.jobs or jobs_here()
    wishes = Wishes(
        recipes=_recipes(paths),
        output=options.output,
        options=Options(options.machines, tuple(settings), options.limits, PROGRAM, options.locked),
        settings=parse_settings(settings),
        jobs=jobs,
        scheduler=options.scheduler,
        now=now_utc,
    )
    where = f"on {options.scheduler}" if options.scheduler else f"{jobs} at once"
    lines = _Lines()
    lines("", f"{len(wishes.recipes)} recipes, {where}, into {options.output}")
    night = run_night(wishes, lines, _summary_files)
    say(_table(night, options.output))
    return night.exit_code


def work_for(scheduler: str, *, jobs: int, name: str, folder: Path | None) -> int:
    """Offer this machine to a scheduler until that closes."""
    jobs = jobs or jobs_here()
    cache = Cache()
    resources = offered(probe(cache), jobs)
    offer = ", ".join(f"{word}={count:g}" for word, count in resources.items())
    say([[(f"working for {scheduler}: {offer}", "")]])
    try:
        serve(scheduler, jobs=jobs, resources=resources, name=name, folder=folder or cache.root / "dask")
    except KeyboardInterrupt:
        return Interrupted.exit_code
    return OK


class _Lines:
    """Whole lines on stdout from several threads, each with its time and its recipe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def __call__(self, name: str, line: str) -> None:
        head = f"{name}: " if name else ""
        with self._lock:
            print(f"{stamp(now_utc())} {head}{printable(line)}", flush=True)


def _recipes(paths: Sequence[Path]) -> list[Path]:
    """Files as they are, folders as the *.yaml in them. Raises RecipeError for what is neither."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(path.glob("*.yaml"))
            if not inside:
                raise RecipeError([Problem(str(path), 0, 0, "", "found no *.yaml in this folder: name another")])
            found += inside
        else:
            found.append(path)  # one that is not there is a broken recipe of this night; the others go on
    return found


def _summary_files(summary: Summary) -> Mapping[str, str]:
    from imagebuild.nightly.page import summary_html

    nights = [night.model_dump(mode="json") for night in summary.nights]
    return {
        "junit.xml": junit_of_night(summary.night, summary.reports),
        "summary.json": json.dumps({"exit_code": summary.night.exit_code, "nights": nights}, indent=1) + "\n",
        "summary.html": summary_html(summary.nights),
    }


def _table(night: Night, output: str) -> list[Sequence[Segment]]:
    width = max((len(result.name) for result in night.results), default=0)
    lines: list[Sequence[Segment]] = [[]]
    for result in night.results:
        first = result.message.splitlines()[0] if result.message and result.state is not State.UNCHANGED else ""
        tail = f"{duration(result.seconds):>12}" if result.seconds else " " * 12
        tail += f"  {size(result.real_bytes):>8}" if result.real_bytes else " " * 10
        state = (f"{result.state.replace('-', ' '):<13}", _STYLE[result.state])
        lines.append([(f"{result.name:<{width}}  ", ""), state, (tail, ""), (f"  {first}" if first else "", "")])
    lines += [[(f"note: {note}", "yellow")] for note in night.notes]
    good = sum(result.exit_code == OK for result in night.results)
    lines.append([(f"{good} of {len(night.results)} well in night {night.number}, {duration(night.seconds)}", "bold")])
    return [*lines, [(f"{output.rstrip('/')}/summary.html", "")]]
