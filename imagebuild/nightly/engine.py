"""Tasks go out to workers, results and lines come back as they happen: dask.distributed does the rest.

Without a scheduler's address the workers are threads of this process, each with one `imagebuild build` of its own.
"""

from __future__ import annotations

import contextlib
import time
import uuid
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any

from imagebuild.errors import HostError, VerifyError
from imagebuild.host.scratch import scratch_folder
from imagebuild.nightly.model import Done, Result, State, Task
from imagebuild.nightly.work import carry_out
from imagebuild.vocabulary import BOOTING

if TYPE_CHECKING:
    from distributed import Client, Future

TOPIC = "imagebuild"
# Every task takes one of "build": that is how many a worker does at once. The others say what it can do.
RESOURCES = ("build", "guestfs", *BOOTING, "kvm")
CONNECT_SECONDS = 30
WORKER_WAIT_SECONDS = 60.0

Say = Callable[[str, str], None]
"""Given the recipe's name and a line."""


def run_tasks(
    tasks: Sequence[Task], say: Say, *, scheduler: str = "", jobs: int = 1, wait_seconds: float = WORKER_WAIT_SECONDS
) -> Iterator[tuple[Task, Done]]:
    """Carry out all tasks, and hand over each result as it comes, exactly one for each task.

    A worker that dies is the scheduler's business: the task goes to another. What never comes back (the scheduler went
    away, no worker can do it, it killed one worker after the other) comes as LOST. Leaving the loop early ends all.
    Raises HostError when the scheduler cannot be reached.
    """
    with _client(scheduler, jobs) as client:
        client.subscribe_topic(TOPIC, lambda event: say(*event[1]))
        fitting, refused = _fit(client, tasks, wait_seconds)
        for task, reason in refused:
            yield task, lost(task, reason, HostError.exit_code)
        futures = {_submit(client, task): task for task in fitting}
        try:
            yield from _collect(client, futures)
        finally:
            with contextlib.suppress(Exception):  # the scheduler may be gone
                client.cancel(list(futures), force=True)
                _settle(client, futures, scheduler)


def _collect(client: Client, futures: dict[Future[Done], Task]) -> Iterator[tuple[Task, Done]]:
    from distributed import as_completed

    waiting = dict(futures)
    for future in as_completed(list(futures), loop=client.loop):
        task = waiting.pop(future)
        try:
            yield task, future.result()
        except CancelledError:
            yield task, lost(task, "the scheduler stopped before the result arrived")
        except Exception as error:
            yield task, lost(task, _reason(error))


def _submit(client: Client, task: Task) -> Future[Done]:
    resources = {"build": 1, **dict.fromkeys(task.needs, 1)}
    return client.submit(on_worker, task, key=f"{task.name}-{uuid.uuid4().hex}", resources=resources, pure=False)


def on_worker(task: Task) -> Done:
    """Runs on a worker's thread. Ends what it started when nobody waits for it any more."""
    from distributed import get_worker

    worker: Any = get_worker()
    key = worker.get_current_task()

    def unwanted() -> bool:
        state = worker.state.tasks.get(key)
        return state is None or state.state in ("cancelled", "released") or worker.status.name != "running"

    return carry_out(task, lambda line: worker.log_event(TOPIC, (task.name, line)), unwanted)


def lost(task: Task, reason: str, code: int = VerifyError.exit_code) -> Done:
    return Done(Result(name=task.name, recipe=task.recipe, state=State.LOST, exit_code=code, message=reason))


def _reason(error: Exception) -> str:
    from distributed import KilledWorker

    if isinstance(error, KilledWorker):
        return "every worker that built it died"
    return f"the worker failed: {type(error).__name__}: {error}".splitlines()[0]


def _fit(client: Client, tasks: Sequence[Task], wait_seconds: float) -> tuple[list[Task], list[tuple[Task, str]]]:
    """The tasks that some worker can do, and the others with the reason. Waits a while for workers to come."""
    deadline = time.monotonic() + wait_seconds
    while True:
        workers = client.scheduler_info(n_workers=-1)["workers"].values()
        offers = [set(worker.get("resources", {})) for worker in workers]
        unfit = [task for task in tasks if not any({"build", *task.needs} <= offer for offer in offers)]
        if not unfit or time.monotonic() > deadline:
            break
        time.sleep(0.5)
    having = "; ".join(", ".join(sorted(offer)) or "nothing" for offer in offers) or "there are none"
    reasons = [(task, f"no worker offers {', '.join(['build', *task.needs])} (workers: {having})") for task in unfit]
    refused = {task.name for task, _ in reasons}
    return [task for task in tasks if task.name not in refused], reasons


def _settle(client: Client, futures: dict[Future[Done], Task], scheduler: str) -> None:
    """In this process: wait until the threads have ended their builds, so that nothing runs on behind our back."""
    if scheduler or not futures:
        return
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and any(client.processing().values()):
        time.sleep(0.1)


@contextlib.contextmanager
def _client(scheduler: str, jobs: int) -> Iterator[Client]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # distributed's own, about its own imports
            from distributed import Client, LocalCluster
    except ImportError as error:
        raise HostError(
            f"dask.distributed is not installed ({error})", resolution="run: pip install 'imagebuild[nightly]'"
        ) from error
    if scheduler:
        try:
            client = Client(scheduler, timeout=CONNECT_SECONDS, set_as_default=False)
        except (OSError, TimeoutError, ValueError) as error:
            raise HostError(
                f"the scheduler {scheduler} cannot be reached: {error}",
                resolution="start one with: dask scheduler; and workers with: imagebuild worker ADDRESS",
            ) from error
        with client:
            yield client
        return
    with (
        scratch_folder() as scratch,
        LocalCluster(
            n_workers=1, threads_per_worker=jobs, processes=False, dashboard_address="127.0.0.1:0", protocol="inproc",
            resources=dict.fromkeys(RESOURCES, jobs), silence_logs=50, host=None,
            local_directory=str(scratch),
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):  # fmt: skip
        yield client
