"""The ready-made files for CI systems and systemd: right by their own schemas and checkers."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Needs

DOCS = Path(__file__).parents[3] / "docs"
UNITS = DOCS / "systemd"
SERVICE = UNITS / "imagebuild-nightly.service"
# systemd-analyze's own measure: 10 is open, 0 closed. More cannot be had beside newuidmap; the unit says why.
MOST_EXPOSED = 64  # tenths


@pytest.mark.parametrize(
    ("schema", "file", "more"),
    [
        ("vendor.github-workflows", "github-workflow.yml", []),
        ("vendor.gitlab-ci", "gitlab-ci.yml", ["--data-transform", "gitlab-ci"]),
    ],
)
def test_schema(schema: str, file: str, more: list[str]) -> None:
    words = ["-m", "check_jsonschema", "--builtin-schema", schema, *more, str(DOCS / "ci" / file)]
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("file", ["github-workflow.yml", "gitlab-ci.yml"])
def test_templates_call_what_there_is(file: str) -> None:
    text = (DOCS / "ci" / file).read_text()
    assert "imagebuild nightly recipes -o out" in text
    makefile = (DOCS.parent / "Makefile").read_text()
    for target in re.findall(r"\bmake ([a-z]+)\b", text):
        assert f"\n{target}:" in makefile


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units, with a program that is there on every machine."""
    for path in UNITS.iterdir():
        text = path.read_text().replace("/opt/imagebuild/.venv/bin/imagebuild", "/bin/true")
        text = text.replace("User=imagebuild", "User=daemon").replace("Documentation=man:imagebuild(1)\n", "")
        (tmp_path / path.name).write_text(text)
    return tmp_path


def test_units_are_right(units: Path, needs: Needs) -> None:
    needs("systemd-analyze")
    done = subprocess.run(["systemd-analyze", "verify", *units.iterdir()], capture_output=True, text=True)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_service_is_hardened(needs: Needs) -> None:
    needs("systemd-analyze")
    words = ["systemd-analyze", "security", "--offline=true", f"--threshold={MOST_EXPOSED}", str(SERVICE)]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-400:] + done.stderr
    assert "Unknown" not in done.stderr


@pytest.mark.needs("setpriv")
def test_namespaces_can_be_made_within_the_services_bounds(tmp_path: Path, ordinary_user: str) -> None:
    """As the service's user, with its capability bounding set, a tree can be given other owners."""
    found = re.search(r"^CapabilityBoundingSet=(.*)$", SERVICE.read_text(), re.MULTILINE)
    assert found
    bounds = ",".join(["-all", *("+" + word.removeprefix("CAP_").lower() for word in found[1].split())])
    tmp_path.chmod(0o777)
    for parent in tmp_path.parents[:3]:
        parent.chmod(parent.stat().st_mode | 0o001)
    user = ["setpriv", "--reuid", ordinary_user, "--regid", ordinary_user, "--init-groups", "--inh-caps=-all"]
    space = ["unshare", "--user", "--map-root-user", "--map-auto", "--mount", "--pid", "--fork", "--mount-proc"]
    script = f"cd {tmp_path} && touch file && chown 5:5 file && stat -c %u file"
    done = subprocess.run(
        [*user, f"--bounding-set={bounds}", *space, "sh", "-c", script], capture_output=True, text=True
    )
    assert done.stdout == "5\n", done.stderr


def test_what_needs_a_shell_is_good_shell(needs: Needs) -> None:
    """Every script of ours is at least understood by the shell that its first line names."""
    scripts = [DOCS.parent / ".ci/setup", DOCS.parent / ".ci/run", *(DOCS.parent / "vagrant").glob("*.sh")]
    for script in scripts:
        assert subprocess.run([shutil.which("sh") or "sh", "-n", str(script)]).returncode == 0, script
