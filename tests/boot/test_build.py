"""The main job, end to end, as a user does it: both recipes built and verified by the command, then found unchanged."""

from __future__ import annotations

import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

pytestmark = [pytest.mark.boot, pytest.mark.needs("mmdebstrap", "namespace", "guestfs", "qemu", "testhost")]
RECIPES = ("debian-12-hd0", "debian-12-hd00-lvm")
LIMIT_SECONDS = 2400


def build(output: Path, names: tuple[str, ...] = RECIPES) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "imagebuild", "build", *(f"recipes/{name}.yaml" for name in names)]
    # one after the other: the machine has other tests to run, and four machines at once on two processors are slow
    return subprocess.run([*argv, "-j1", "-o", str(output)], capture_output=True, text=True, timeout=LIMIT_SECONDS)


def test_both_recipes_end_as_verified_images(tmp_path: Path) -> None:
    ended = build(tmp_path)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    for name in RECIPES:
        folder = tmp_path / name
        report = json.loads((folder / "report.json").read_text())
        assert report["verdict"] == "passed"
        passed = {check["machine"] for check in report["checks"] if check["outcome"] == "passed"}
        assert passed == {"static", "qemu", "xen"}
        assert [boot["milestones"][-1]["name"] for boot in report["boots"]] == ["login", "login"]
        assert report["boots"][1]["loader"]["kind"] in ("stand-in", "pv-grub")
        for boot in report["boots"]:
            assert (folder / boot["console"]).stat().st_size > 0
        image = folder / report["image"]["path"]
        assert image.name == f"{name}.raw"
        assert image.stat().st_blocks * 512 < image.stat().st_size  # sparse
        subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=folder, check=True)
        suites = ET.parse(folder / "junit.xml").getroot()
        assert (suites.get("failures"), suites.get("errors")) == ("0", "0")
        assert int(suites.get("tests", "0")) == len(report["checks"])
        assert list(folder.glob("*.partial")) == []

    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.raw")}
    again = build(tmp_path)
    assert again.returncode == 0, again.stdout + again.stderr
    assert again.stdout.count("unchanged") == len(RECIPES)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.raw")} == before

    first = tmp_path / RECIPES[0] / "report.json"
    elsewhere = build(tmp_path / "elsewhere", RECIPES[:1])
    assert elsewhere.returncode == 0, elsewhere.stdout + elsewhere.stderr
    kept = json.loads((tmp_path / "elsewhere" / RECIPES[0] / "report.json").read_text())
    assert kept["cached"], "the same bytes are not booted again"
    assert kept["boots"] == json.loads(first.read_text())["boots"]
    assert (tmp_path / "elsewhere" / RECIPES[0] / "console-xen.log").read_bytes() == (
        tmp_path / RECIPES[0] / "console-xen.log"
    ).read_bytes()
