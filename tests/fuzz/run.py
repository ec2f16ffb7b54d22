"""Feeds every reader of hostile bytes with mutations: `python -m tests.fuzz.run [--count 5000] [--first 0] [READER …]`.

Each reader runs in a process of its own with 1 GiB of address space; an input may use 20 s of processor time. Prints a
line for each reader, as JSON: how many inputs were tried, how many were read, and each fault with its number, by which
it can be had again (`--first NUMBER --count 1`). Ends with 1 where there is a fault.
"""

from __future__ import annotations

import argparse
import json
import resource
import signal
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path
from types import FrameType
from typing import Any

MOST_BYTES = 2**30
MOST_CPU_SECONDS = 20
_MOST_FAULTS = 20


class TooSlowError(BaseException):
    """No reader may catch it."""


def fuzz(name: str, first: int, count: int, cpu_seconds: int) -> dict[str, Any]:
    """Run in this process, which is limited from here on."""
    from tests.fuzz.mutations import mutated
    from tests.fuzz.readers import READERS, REFUSALS, SABOTAGED

    reader = (READERS | SABOTAGED)[name]
    seeds = reader.seeds()
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    signal.signal(signal.SIGPROF, _too_slow)
    read, refused, faults = 0, 0, []
    for number in range(first, first + count):
        data = mutated(seeds[number % len(seeds)], number)
        with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
            signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
            try:
                reader.read(data, Path(folder))
                read += 1
            except REFUSALS:
                refused += 1
            except (Exception, TooSlowError) as error:
                faults.append({"number": number, "error": repr(error)[:300], "where": _where(error)})
            finally:
                signal.setitimer(signal.ITIMER_PROF, 0)
        if len(faults) >= _MOST_FAULTS:
            break
    return {"reader": name, "tried": read + refused + len(faults), "read": read, "refused": refused, "faults": faults}


def _too_slow(number: int, frame: FrameType | None) -> None:
    raise TooSlowError("it takes too much processor time")


def _where(error: BaseException) -> list[str]:
    frames = traceback.extract_tb(error.__traceback__)[-6:]
    return [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]


def in_a_process(name: str, first: int, count: int, *more: str) -> dict[str, Any]:
    """As `fuzz`; a process that dies or says nothing is a fault."""
    argv = [sys.executable, "-m", "tests.fuzz.run", "--here", "--first", str(first), "--count", str(count), *more, name]
    ended = subprocess.run(argv, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        return {"reader": name, "faults": [{"error": f"ended with {ended.returncode}", "where": ended.stderr[-2000:]}]}
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


def main() -> int:
    from tests.fuzz.readers import READERS

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--cpu-seconds", type=int, default=MOST_CPU_SECONDS)
    parser.add_argument("--here", action="store_true", help="in this process")
    parser.add_argument("readers", nargs="*", metavar="READER", help=", ".join(READERS))
    wanted = parser.parse_args()
    if wanted.here:
        print(json.dumps(fuzz(wanted.readers[0], wanted.first, wanted.count, wanted.cpu_seconds)))
        return 0
    bad = False
    for name in wanted.readers or READERS:
        found = in_a_process(name, wanted.first, wanted.count)
        bad = bad or bool(found["faults"])
        print(json.dumps(found), flush=True)
    return int(bad)


if __name__ == "__main__":
    raise SystemExit(main())
