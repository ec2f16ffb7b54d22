"""What a worker does for one recipe: run `imagebuild build`, again if the network failed, bring back what came out."""

from __future__ import annotations

import contextlib
import platform
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from imagebuild.artifacts.output_directory import REPORT
from imagebuild.errors import BAD_IMAGE, OK, BuildError, HostError, ImagebuildError, VerifyError
from imagebuild.host.cache import Cache
from imagebuild.host.digest import file_sha256
from imagebuild.host.scratch import scratch_folder
from imagebuild.nightly import shared
from imagebuild.nightly.model import STATE_OF_VERDICT, Done, Result, State, Task
from imagebuild.nightly.store import Store
from imagebuild.nightly.unchanged import as_asked_for
from imagebuild.operations.child import OWN_PROGRAM, Ended, build_argv, mark_of, read_report, run_build
from imagebuild.report import Report


@dataclass
class _Job:
    task: Task
    say: Callable[[str], None]
    stop: Callable[[], bool]
    notes: list[str] = field(default_factory=list)


def carry_out(task: Task, say: Callable[[str], None], stop: Callable[[], bool] = lambda: False) -> Done:
    """Build and verify one recipe. Whatever goes wrong is a result, not an exception.

    `say` gets every line as it comes; when `stop()` says so, the build ends as by Ctrl-C.
    """
    job, begin = _Job(task, say, stop), time.monotonic()
    try:
        done = _in_store(job) if task.store else _in_folder(job, Path(task.recipe), Path(task.output))
    except (ImagebuildError, OSError) as error:
        code = error.exit_code if isinstance(error, ImagebuildError) else BuildError.exit_code
        done = Done(_broken(task, code, str(error)))
    update = {"seconds": round(time.monotonic() - begin, 3), "worker": platform.node()}
    return Done(done.result.model_copy(update=update), done.report, done.stored, done.files, tuple(job.notes))


def _in_store(job: _Job) -> Done:
    """Recipe from the store, result into the store: nothing but the cache stays on this machine."""
    task, store, cache = job.task, Store(job.task.store), Cache()
    with scratch_folder() as folder:
        (folder / "recipe").mkdir()
        shared.fetch_recipe(store, task.bundle, folder / "recipe")
        job.notes += shared.mend(cache, "trees", task.tree_digest) if task.tree_digest else []
        job.notes += shared.fetch_tree(store, cache, task.tree_digest)
        done = _in_folder(job, folder / "recipe" / task.recipe, folder / "out")
        with contextlib.suppress(ImagebuildError, OSError):  # an offer to the others, no more
            shared.send_tree(store, cache, task.tree_digest)
        if done.report is None:
            return done
        stored = uuid.uuid4().hex
        files = {}
        for path in _to_publish(folder / "out" / task.name, done.report):
            store.upload(path, f"{task.name}/{stored}/{path.name}")
            files[path.name] = (path.stat().st_size, file_sha256(path))
    return Done(done.result, done.report, stored, files)


def _to_publish(folder: Path, report: Report) -> Iterator[Path]:
    """The files of a result; the image compressed, under its name with .zst."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or not path.is_file():
            continue
        if path.name == report.image.path:
            packed = path.with_name(f"{path.name}.zst")
            shared.compress(path, packed)
            yield packed
        else:
            yield path


def _in_folder(job: _Job, recipe: Path, output: Path) -> Done:
    task, limits, pause = job.task, job.task.options.limits, job.task.options.limits.pause_seconds
    report_path = output / task.name / REPORT
    for attempt in range(1, limits.attempts + 1):
        before = mark_of(report_path)
        ended = _build(job, recipe, output)
        sign = ended.failed.network if ended.failed else ""
        if not sign or ended.hung or job.stop() or attempt == limits.attempts:
            break
        job.notes.append(f"{task.name}: attempt {attempt} failed because of the network ({sign}); trying again")
        job.say(f"the network failed ({sign}); again in {pause:g} s")
        _wait(pause, job.stop)
        pause *= 2
    # A build that found its result unchanged vouches for the older report; one that failed does not.
    fresh = ended.exit_code == OK or mark_of(report_path) != before
    return _result(job, ended, attempt, read_report(report_path) if fresh else None)


def _build(job: _Job, recipe: Path, output: Path) -> Ended:
    options = job.task.options
    argv = [*(options.program or OWN_PROGRAM), *build_argv(options.build_request(recipe, output))]
    return run_build(argv, stage_seconds=options.limits.stage_seconds, say=job.say, stop=job.stop)


def _wait(seconds: float, stop: Callable[[], bool]) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not stop():
        time.sleep(0.2)


def _result(job: _Job, ended: Ended, attempts: int, report: Report | None) -> Done:
    task = job.task
    if ended.hung:
        limit = task.options.limits.stage_seconds
        why = f"{ended.hung} exceeded the stage limit of {limit:g} s and was stopped"
        return Done(_broken(task, BuildError.exit_code, why, attempts))
    judged = (OK, HostError.exit_code, VerifyError.exit_code, BAD_IMAGE)
    if report is None or ended.exit_code not in judged:
        code = ended.exit_code if ended.exit_code > 0 else BuildError.exit_code
        message = ended.last_words()
        if ended.failed and ended.failed.disk_full:
            job.notes.append(f"{task.name}: the disk was full; earlier results are unchanged")
        return Done(_broken(task, code, message, attempts))
    state = State.NOT_VERIFIED if as_asked_for(report) else STATE_OF_VERDICT[report.verdict]
    failed = "; ".join(f"{check.machine}: {check.name}" for check in report.failed())
    result = Result(
        name=task.name,
        recipe=task.recipe,
        state=state,
        exit_code=ended.exit_code,
        message=failed or report.unverified_because,
        attempts=attempts,
        image=report.image.path,
        image_sha256=report.image.sha256,
        size_bytes=report.image.size_bytes,
        real_bytes=report.image.real_bytes,
        build_seconds=report.build_seconds,
        boot_seconds={boot.machine: boot.seconds for boot in report.boots if boot.proves == "default"},
        plan_digest=report.plan_digest or "",
        inputs_sha256=task.inputs_sha256,
        packages=report.packages,
    )
    return Done(result, report)


def _broken(task: Task, code: int, message: str, attempts: int = 0) -> Result:
    return Result(
        name=task.name, recipe=task.recipe, state=State.BROKEN, exit_code=code, message=message, attempts=attempts
    )
