"""Mutated inputs of every reader: only errors of ours, below 1 GiB, within a bound of processor time.

A few hundred of each; `python -m tests.fuzz.run` tries 5,000 (make fuzz).
"""

from __future__ import annotations

import shutil

import pytest

from tests.fuzz.mutations import mutated
from tests.fuzz.readers import READERS
from tests.fuzz.run import in_a_process

_COUNT = 300


@pytest.mark.parametrize("name", READERS)
def test_no_mutation_is_a_fault(name: str) -> None:
    lacking = [program for program in READERS[name].programs if shutil.which(program) is None]
    if lacking:
        pytest.skip(f"no {lacking[0]} here")
    found = in_a_process(name, 0, _COUNT // (4 if READERS[name].programs else 1))
    assert found["faults"] == []
    assert found["tried"] > 0


def test_the_same_number_gives_the_same_bytes() -> None:
    assert [mutated(b"menu 1", number) for number in range(50)] == [mutated(b"menu 1", number) for number in range(50)]
    assert len({mutated(bytes(1000), number) for number in range(200)}) > 150


@pytest.mark.parametrize(
    ("name", "words"),
    [("bad error", "ZeroDivisionError"), ("too much memory", "MemoryError"), ("too slow", "processor time")],
)
def test_what_a_fault_is(name: str, words: str) -> None:
    """Readers that are as bad as can be (tests/fuzz/readers.py, SABOTAGED): each is caught."""
    found = in_a_process(name, 0, 1, "--cpu-seconds", "1")
    assert words in found["faults"][0]["error"]
