"""Run the command line with another toolbox (fake_program.py): in this process (quick), or in one of its own."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from imagebuild.cli.run import run

FAKE_PROGRAM = Path(__file__).with_name("fake_program.py")
RECIPE = """\
name: {name}
rootfs:
  debian: {{suite: bookworm, packages: [linux-image-amd64]}}
disk: {{layout: hd0, size: 1GiB, filesystem: ext4}}
"""


@dataclass(frozen=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


class Runner:
    """Runs `imagebuild …` in a folder of its own; what is still running at the test's end is killed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._started: list[subprocess.Popen[str]] = []

    def recipe(self, name: str, more: str = "") -> str:
        """Write a recipe and return its file's name."""
        (self.folder / f"{name}.yaml").write_text(RECIPE.format(name=name) + more)
        return f"{name}.yaml"

    def __call__(self, *words: str, **environment: str) -> Done:
        """Run in this process: all but the signals is the same, and it takes milliseconds."""
        from tests.unit.cli.fake_program import TOOLBOX

        out, err = io.StringIO(), io.StringIO()
        with (
            pytest.MonkeyPatch.context() as patch,
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            patch.chdir(self.folder)
            for name, value in self.environment(environment).items():
                patch.setenv(name, value)
            code = run(words, TOOLBOX)
        return Done(code, out.getvalue(), err.getvalue())

    def process(self, *words: str, **environment: str) -> Done:
        """Run as a process of its own, to its end."""
        done = subprocess.run(
            self.words(*words), cwd=self.folder, env=self.environment(environment),
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        return Done(done.returncode, done.stdout, done.stderr)

    def start(self, *words: str, **environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            self.words(*words), cwd=self.folder, env=self.environment(environment),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._started.append(process)
        return process

    def words(self, *words: str) -> list[str]:
        return [sys.executable, str(FAKE_PROGRAM), *words]

    def environment(self, more: dict[str, str]) -> dict[str, str]:
        own = {"IMAGEBUILD_CACHE": str(self.folder / "cache"), "PYTHONDONTWRITEBYTECODE": "1", "IMAGEBUILD_PV_GRUB": ""}
        return {**os.environ, **own, **more}

    def names(self, folder: str) -> set[str]:
        """What lies in a folder, without its lock."""
        return {path.name for path in (self.folder / folder).iterdir()} - {".lock"}

    def close(self) -> None:
        for process in self._started:
            process.kill()
            process.communicate()


@pytest.fixture
def imagebuild(tmp_path: Path) -> Iterator[Runner]:
    runner = Runner(tmp_path)
    yield runner
    runner.close()
