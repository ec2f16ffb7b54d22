"""The three differential tests, each over a batch of generated menus: for the tests and the proof."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from imagebuild.bootloaders.menus.trace import End
from imagebuild.testhost.tools import Tools
from tests.menus import menulst2cfg, pygrub_oracle, shell
from tests.menus.grammar import Grammar

_BATCH = 500


@dataclass
class Tally:
    """How many menus were compared, how they end, and where interpreter and program disagree (menu, words)."""

    compared: int = 0
    skipped: int = 0
    ends: Counter[End] = field(default_factory=Counter)
    disagreements: list[tuple[bytes, str]] = field(default_factory=list)

    def add(self, menu: bytes, end: End, words: str | None) -> None:
        self.compared += 1
        self.ends[end] += 1
        if words is not None:
            self.disagreements.append((menu, words))

    def __str__(self) -> str:
        ends = ", ".join(f"{count} {end}" for end, count in self.ends.most_common())
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        return f"{self.compared} menus{skipped}, {len(self.disagreements)} disagreements ({ends})"


def _batches(seed: int, count: int, calm: int) -> Iterator[list[bytes]]:
    grammar = Grammar(seed, calm)
    for start in range(0, count, _BATCH):
        yield [grammar.menu() for _ in range(min(_BATCH, count - start))]


def grub_legacy(tools: Tools, seed: int, count: int) -> Tally:
    """The interpreter of 0.97 against its shell, line by line."""
    tally = Tally()
    for menus in _batches(seed, count, calm=1):
        with tempfile.TemporaryDirectory(prefix="menus-") as name:
            runner = shell.Shell(tools, shell.make_image(menus, Path(name)))
            for number, menu in enumerate(menus):
                trace = shell.traced(menu, number)
                if trace.end is End.HANGS:  # so does the shell
                    tally.skipped += 1
                    continue
                output = runner.run(number, enter=shell.wants_enter(trace))
                tally.add(menu, trace.end, shell.disagreement(trace, output, [menu, shell.OTHER_MENU]))
    return tally


def pygrub(tools: Tools, seed: int, count: int) -> Tally:
    """The interpreter of pygrub against pygrub."""
    tally = Tally()
    for menus in _batches(seed, count, calm=4):
        with tempfile.TemporaryDirectory(prefix="menus-") as name:
            answers = pygrub_oracle.run_pygrub(tools, menus, Path(name))
        for menu, answer in zip(menus, answers, strict=True):
            trace = pygrub_oracle.traced(menu)
            tally.add(menu, trace.end, pygrub_oracle.disagreement(trace, answer))
    return tally


def grub2_legacy(tools: Tools, seed: int, count: int) -> Tally:
    """The reader of GRUB 2's legacy menus against grub-menulst2cfg."""
    tally = Tally()
    for menus in _batches(seed, count, calm=2):
        for menu in menus:
            script = None if menulst2cfg.is_odd(menu) else menulst2cfg.translate(tools, menu)
            if script is None:
                tally.skipped += 1
                continue
            own = menulst2cfg.expected(menu)
            tally.add(menu, End.UNKNOWN, None if own == script else f"{own}, but the program: {script}")
    return tally


SIDES: dict[str, Callable[[Tools, int, int], Tally]] = {
    "grub-0.97": grub_legacy,
    "pygrub": pygrub,
    "grub2-legacy": grub2_legacy,
}
