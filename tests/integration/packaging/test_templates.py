"""The CI templates in a repository that is not ours: their own steps, taken out of the YAML, run one after the other.

What is fake: apt-get (it writes down what it was asked for: this machine has the packages), and that a new virtual
environment finds imagebuild's dependencies where the tests have theirs, so that pip needs no network.
"""

from __future__ import annotations

import os
import subprocess
import sysconfig
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.integration.packaging.test_wheel import RECIPE, ROOT, wheel
from tests.unit.rootfs.family_trees import debian, write_tar

__all__ = ["wheel"]  # the fixture
pytestmark = [pytest.mark.integration, pytest.mark.needs("namespace", "debugfs", "guestfs")]
_APT = """#!/bin/sh
echo "$@" >>"{log}"
"""
_PYTHON = """#!/bin/sh
/usr/bin/python3 "$@" || exit
case "$*" in "-m venv "*) for last; do :; done
echo "{packages}" >"$(echo "$last"/lib/python3*/site-packages)/dependencies.pth" ;; esac
"""


def github() -> list[str]:
    job = YAML(typ="safe").load((ROOT / "docs/ci/github-workflow.yml").read_text())["jobs"]["nightly"]
    return [step["run"] for step in job["steps"] if "run" in step]


def gitlab() -> list[str]:
    job = YAML(typ="safe").load((ROOT / "docs/ci/gitlab-ci.yml").read_text())["images"]
    return [*job["before_script"], *job["script"]]


def program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


@pytest.mark.parametrize("steps", [github, gitlab])
def test_the_steps_build_in_a_foreign_repository(steps: object, wheel: Path, tmp_path: Path) -> None:
    assert callable(steps)
    repository, programs, log = tmp_path / "repository", tmp_path / "bin", tmp_path / "apt"
    (repository / "recipes").mkdir(parents=True)
    programs.mkdir()
    write_tar(repository / "recipes/tree.tar", debian().files)
    (repository / "recipes/small.yaml").write_text(RECIPE)
    (repository / "recipes/_base.yaml").write_text("boot: {timeout: 1}\n")
    program(programs / "apt-get", _APT.format(log=log))
    program(programs / "python3", _PYTHON.format(packages=sysconfig.get_path("purelib")))
    ours = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    environment = {
        **ours, "PATH": f"{programs}:{os.environ['PATH']}", "PIP_NO_DEPS": "1", "PIP_NO_INDEX": "1",
        "IMAGEBUILD": str(wheel), "IMAGEBUILD_OPTIONS": "--no-verify --keep 7",
        "IMAGEBUILD_CACHE": str(tmp_path / "cache"),
    }  # fmt: skip
    for step in steps():
        done = subprocess.run(["sh", "-ec", step], cwd=repository, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, f"{step}\n{done.stdout}{done.stderr}"
    assert {"small.raw.unverified", "report.html"} <= {path.name for path in (repository / "out/small").iterdir()}
    assert (repository / "out/summary.html").is_file()
    asked = log.read_text().splitlines()
    assert "python3-venv" in asked[1], "what pip needs comes before it"
    assert asked[-2].endswith("update")
    assert {"mmdebstrap", "python3-guestfs", "--yes"} <= set(asked[-1].split())
