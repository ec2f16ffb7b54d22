"""A machine that offers what it can do to a scheduler: dask's worker under its nanny, which replaces it if it dies."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from imagebuild.errors import HostError
from imagebuild.host.cache import Cache
from imagebuild.host.capabilities import Capability, probes
from imagebuild.host.memory import available_bytes
from imagebuild.host.scratch import scratch_folder
from imagebuild.operations.side_by_side import JOB_MEMORY_BYTES
from imagebuild.vocabulary import BOOTING


def jobs_that_fit(cores: int, free_bytes: int) -> int:
    """How many recipes at once: each boots two machines side by side, and wants its memory."""
    return max(1, min(cores // 2, free_bytes // JOB_MEMORY_BYTES))


def jobs_here() -> int:
    return jobs_that_fit(len(os.sched_getaffinity(0)), available_bytes())


def offered(found: list[Capability], jobs: int) -> dict[str, float]:
    """The resources that a machine with these capabilities advertises. Raises HostError when it cannot build at all."""
    state = {capability.name: capability for capability in found}

    def usable(*names: str) -> bool:
        return all(name in state and state[name].state != "lacking" for name in names)

    needed = ("mmdebstrap", "namespace", "parted", "e2fsprogs", "disk-tools", "cache")
    if lacking := [name for name in needed if not usable(name)]:
        details = "\n".join(f"{name}: {state[name].evidence}" for name in lacking if name in state)
        raise HostError(
            f"this machine cannot build: {', '.join(lacking)}", details=details, resolution="run: imagebuild doctor"
        )
    resources = {"build": float(jobs)}
    if usable("guestfs"):
        resources["guestfs"] = jobs
    if usable("qemu"):  # Xen runs under QEMU: what boots the one boots the other
        resources |= {name: jobs for name in BOOTING if name != "uefi" or usable("ovmf", "fat-tools")}
    if state["acceleration"].state == "ok" if "acceleration" in state else False:
        resources["kvm"] = jobs
    return resources


def probe(cache: Cache) -> list[Capability]:
    """Try everything that this machine may offer."""
    return [answer for each in probes(cache) for answer in each.run()]


@dataclass(frozen=True, slots=True)
class WorkerRequest:
    """`scheduler` is its address. `folder`: for dask's own files; None: a scratch directory of ours."""

    scheduler: str
    jobs: int
    name: str = ""
    folder: Path | None = None


def serve(request: WorkerRequest, resources: dict[str, float]) -> None:
    """Work for the scheduler until it closes or we are interrupted. Raises HostError when it cannot be reached."""
    with own_folder(Cache()) if request.folder is None else contextlib.nullcontext(request.folder) as folder:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            asyncio.run(_serve(request.scheduler, request.jobs, resources, request.name, folder))
        except (OSError, TimeoutError) as error:
            raise HostError(
                f"the scheduler {request.scheduler} cannot be reached: {error}",
                resolution="start one with: dask scheduler",
            ) from error


@contextlib.contextmanager
def own_folder(cache: Cache) -> Iterator[Path]:
    """A scratch directory in the cache that is no entry of it: `cache verify` and `cache prune` leave it alone."""
    work = cache.root / "work"
    work.mkdir(parents=True, exist_ok=True)
    with scratch_folder(work) as folder:
        yield folder


async def _serve(scheduler: str, jobs: int, resources: dict[str, float], name: str, folder: Path) -> None:
    from distributed import Nanny

    nanny = Nanny(
        scheduler, nthreads=jobs, resources=resources, name=name, local_directory=str(folder),
        memory_limit=0, death_timeout=60,
    )  # fmt: skip
    async with nanny:
        await nanny.finished()
