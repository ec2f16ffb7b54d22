"""Nights whose builds are fake (tests/unit/cli/fake_program.py): real processes, a real cluster in this one."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from imagebuild.nightly.model import Limits, Night, Options
from imagebuild.nightly.night import NightRequest, run_night
from tests.unit.cli.conftest import FAKE_PROGRAM, RECIPE

PROGRAM = (sys.executable, str(FAKE_PROGRAM))


@dataclass
class Nights:
    """A folder with recipes and one output."""

    folder: Path
    output: str
    patch: pytest.MonkeyPatch
    lines: list[str] = field(default_factory=list)
    now: datetime = datetime(2026, 11, 24, 2, tzinfo=UTC)

    def recipe(self, name: str, more: str = "") -> Path:
        path = self.folder / f"{name}.yaml"
        path.write_text(RECIPE.format(name=name) + more)
        return path

    def run(
        self, *recipes: Path, scheduler: str = "", limits: Limits | None = None, verify: bool = True,
        update: bool = False, keep: int | None = None, program: tuple[str, ...] = PROGRAM, **environment: str,
    ) -> Night:  # fmt: skip
        with pytest.MonkeyPatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            machines = None if verify else ()
            options = Options(machines, program=program, limits=limits or Limits(pause_seconds=0.1), update=update)
            request = NightRequest(recipes, self.output, options, 2, scheduler, keep, lambda: self.now)
            return run_night(request, lambda name, line: self.lines.append(f"{name}: {line}"))

    def states(self, night: Night) -> dict[str, str]:
        return {result.name: result.state.value for result in night.results}

    @property
    def out(self) -> Path:
        return Path(self.output.removeprefix("file://"))

    def summary(self) -> dict[str, object]:
        found: dict[str, object] = json.loads((self.out / "summary.json").read_bytes())
        return found


@pytest.fixture
def nights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Nights:
    monkeypatch.setenv("IMAGEBUILD_CACHE", str(tmp_path / "cache"))
    return Nights(tmp_path, str(tmp_path / "out"), monkeypatch)
