"""What a night of 1,000 recipes needs in workers, cache and bandwidth: a simulation from measured costs.

    python benchmarks/nightly_simulation.py [COSTS.json] [--seed 1]

Every recipe is a job that takes a slot of a worker for its build and verification. The first job that needs a root tree
makes it (others of the same tree on the same worker wait for it, other workers fetch it from the store when it is
there); a worker's first job makes the Xen test host. Workers die at random, and what they were doing begins again. The
number of workers is the smallest with which the night ends in its hours.

The costs are read from a JSON file (benchmarks/nightly_costs.json says which machine they were measured on); durations
vary by a log-normal factor, because mirrors and disks do. Nothing here asserts a wall-clock time.
"""

from __future__ import annotations

import argparse
import heapq
import json
import math
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Costs = dict[str, Any]
_SPREAD = 0.25
_GIB = 2**30
_MOST_WORKERS = 512


@dataclass
class Worker:
    """`trees`: those in its cache, with the moment from which each can be used. `dies` is when it will, next."""

    slots: list[float]
    dies: float
    trees: dict[int, float] = field(default_factory=dict)
    has_test_host: bool = False


@dataclass
class Night:
    """What a simulated night came to. Bytes count both directions of the store; `rebuilt`: jobs lost with a worker."""

    hours: float = 0.0
    busy_hours: float = 0.0
    store_bytes: float = 0.0
    mirror_bytes: float = 0.0
    bootstraps: int = 0
    rebuilt: int = 0


def slots_of(costs: Costs) -> int:
    """Recipes at once on one worker: as imagebuild itself reckons (nightly/worker.py)."""
    by_processors = costs["worker_processors"] // costs["processors_per_recipe"]
    return max(1, int(min(by_processors, costs["worker_memory_bytes"] // costs["memory_bytes_per_recipe"])))


def simulate(costs: Costs, *, workers: int, changed: float, acceleration: str, seed: int) -> Night:
    """One night with so many workers."""
    dice, night = random.Random(seed), Night()
    hour, slots = 3600.0, slots_of(costs)

    def lifetime() -> float:
        rate = costs["worker_failures_per_hour"]
        return dice.expovariate(rate) * hour if rate else math.inf

    crew = [Worker([0.0] * slots, lifetime()) for _ in range(workers)]
    in_store: dict[int, float] = {}
    free = [(0.0, number, slot) for number in range(workers) for slot in range(slots)]
    heapq.heapify(free)
    jobs = [dice.randrange(costs["distinct_trees"]) for _ in range(round(costs["recipes"] * changed))]
    end = 0.0
    while jobs:
        begin, number, slot = heapq.heappop(free)
        worker, tree = crew[number], jobs.pop()
        ready = _tree_ready(costs, night, worker, tree, in_store, begin, dice)
        took = costs["build_seconds"] + (costs["appliance_seconds"] if dice.random() < costs["appliance_share"] else 0)
        took += costs["verify_seconds"][acceleration]
        if not worker.has_test_host:
            worker.has_test_host, took = True, took + costs["test_host_seconds"]
        finish = ready + took * dice.lognormvariate(0, _SPREAD)
        if finish > worker.dies:  # its nanny starts it anew, with its cache; the job begins again elsewhere
            night.rebuilt += 1
            jobs.append(tree)
            finish = worker.dies = max(worker.dies, begin)
            worker.dies += lifetime()
        else:
            night.store_bytes += costs["image_packed_bytes"] + costs["reports_bytes"]
            end = max(end, finish)
        night.busy_hours += (finish - begin) / hour
        heapq.heappush(free, (finish, number, slot))
    night.hours = end / hour
    return night


def _tree_ready(
    costs: Costs, night: Night, worker: Worker, tree: int, in_store: dict[int, float], begin: float, dice: random.Random
) -> float:
    """When the worker has the tree: at once, by fetching it, or by making it."""
    if tree in worker.trees:
        return max(begin, worker.trees[tree])
    if in_store.get(tree, math.inf) <= begin:
        night.store_bytes += costs["tree_packed_bytes"]
        ready = begin + costs["tree_packed_bytes"] / (100 * 2**20)  # a gigabit link, and unpacking
    else:
        night.bootstraps += 1
        night.mirror_bytes += costs["download_bytes_per_bootstrap"]
        ready = begin + costs["bootstrap_seconds"] * dice.lognormvariate(0, _SPREAD)
        if tree not in in_store:
            in_store[tree] = ready
            night.store_bytes += costs["tree_packed_bytes"]
    worker.trees[tree] = ready
    return ready


def smallest_crew(costs: Costs, *, changed: float, acceleration: str, seed: int) -> tuple[int, Night]:
    """The fewest workers that end the night in time: doubled until it does, then halved in between."""

    def night_of(workers: int) -> Night:
        return simulate(costs, workers=workers, changed=changed, acceleration=acceleration, seed=seed)

    high = 1
    while night_of(high).hours > costs["night_hours"] and high < _MOST_WORKERS:
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if night_of(middle).hours <= costs["night_hours"] else (middle, high)
    return high, night_of(high)


def table(costs: Costs, seed: int) -> list[str]:
    lines = [
        f"{costs['recipes']} recipes, {costs['distinct_trees']} root trees, {costs['night_hours']} hours; a worker has "
        f"{costs['worker_processors']} processors and does {slots_of(costs)} at once",
        f"costs measured on: {costs['measured_on']}",
        "",
        f"{'boots':<16} {'changed':>8} {'workers':>8} {'hours':>6} {'used':>5} {'made':>5} {'again':>6} "
        f"{'mirror':>9} {'store':>9} {'mean':>10}",
    ]  # fmt: skip
    for acceleration in costs["verify_seconds"]:
        for changed in costs["changed_share"]:
            workers, night = smallest_crew(costs, changed=changed, acceleration=acceleration, seed=seed)
            used = night.busy_hours / max(night.hours * workers * slots_of(costs), 1e-9)
            rate = (night.store_bytes + night.mirror_bytes) * 8 / max(night.hours * 3600, 1e-9) / 1e6
            lines.append(
                f"{acceleration:<16} {changed:>8.0%} {workers:>8} {night.hours:>6.1f} {used:>5.0%} "
                f"{night.bootstraps:>5} {night.rebuilt:>6} {night.mirror_bytes / _GIB:>5.1f} GiB "
                f"{night.store_bytes / _GIB:>5.0f} GiB {rate:>5.0f} Mbit/s"
            )
    cache = costs["distinct_trees"] * (costs["tree_bytes"] + 60 * 2**20)
    shared = costs["distinct_trees"] * costs["tree_packed_bytes"]
    images = costs["recipes"] * costs["image_packed_bytes"]
    scratch = slots_of(costs) * (2 * costs["image_real_bytes"] + costs["tree_bytes"])
    lines += [
        "",
        f"a worker's cache with all trees: {cache / _GIB:.1f} GiB; its scratch space: {scratch / _GIB:.1f} GiB",
        f"the store: {shared / _GIB:.1f} GiB of trees, {images / _GIB:.0f} GiB of published images (one result each)",
        f"that a recipe is unchanged costs a digest: {images / _GIB:.0f} GiB read where the store is a disk, "
        "a request for each file where it is an object store",
    ]  # fmt: skip
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("costs", nargs="?", type=Path, default=Path(__file__).with_name("nightly_costs.json"))
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    print("\n".join(table(json.loads(arguments.costs.read_text(encoding="utf-8")), arguments.seed)))


if __name__ == "__main__":
    main()
