"""The simulation of a night: what must hold of it whatever the costs are."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"


def simulation() -> ModuleType:
    spec = importlib.util.spec_from_file_location("nightly_simulation", BENCHMARKS / "nightly_simulation.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


COSTS = json.loads((BENCHMARKS / "nightly_costs.json").read_text())


def test_more_workers_end_earlier_and_make_more_trees() -> None:
    night = simulation().simulate
    few, many = (night(COSTS, workers=n, changed=1.0, acceleration="emulated", seed=1) for n in (2, 20))
    assert many.hours < few.hours
    assert many.bootstraps >= few.bootstraps >= COSTS["distinct_trees"]


def test_dying_workers_cost_time_and_lose_nothing() -> None:
    night = simulation().simulate
    calm, stormy = (
        night(COSTS | {"worker_failures_per_hour": rate}, workers=4, changed=1.0, acceleration="emulated", seed=1)
        for rate in (0, 3)
    )
    assert calm.rebuilt == 0 < stormy.rebuilt
    assert stormy.hours > calm.hours
    published = COSTS["recipes"] * (COSTS["image_packed_bytes"] + COSTS["reports_bytes"])
    assert stormy.store_bytes >= published


def test_the_smallest_crew_is_enough_and_one_less_is_not() -> None:
    module = simulation()
    costs = COSTS | {"recipes": 10_000}
    workers, night = module.smallest_crew(costs, changed=1.0, acceleration="emulated", seed=1)
    assert night.hours <= costs["night_hours"]
    less = module.simulate(costs, workers=workers - 1, changed=1.0, acceleration="emulated", seed=1)
    assert less.hours > costs["night_hours"]
