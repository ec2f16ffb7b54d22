"""The page of the benchmarks says what was measured, and why something was not."""

from __future__ import annotations

import json
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from benchmarks import meter, page


def run(seconds: float, *, reason: str = "", initrd: bool | None = True) -> dict[str, object]:
    numbers = {"cpu_seconds": 1.0, "peak_memory_bytes": 2**20, "written_bytes": 2**21}
    return {"seconds": seconds, **numbers, "initrd": initrd, "reason": reason}


def test_medians_ratios_and_reasons(tmp_path: Path) -> None:
    runs = {
        "imagebuild: cold: 0": run(40), "imagebuild: cold: 1": run(44), "mkosi: cold: 0": run(63, initrd=False),
        "imagebuild: warm: -1": run(99), "imagebuild: warm: 0": run(2),
        "vmdb2: cold: 0": run(0, reason="no loop device"),
        "imagebuild: size 0.3 GiB: 0": run(1), "imagebuild: size 0.6 GiB: 0": run(2),
    }  # fmt: skip
    results = tmp_path / "results.json"
    stages = {"cold": [{"name": "root tree", "seconds": 38.25, "cached": False}]}
    results.write_text(json.dumps({"machine": {"processor": "two"}, "runs": runs, "stages": stages}))
    page.write(results, tmp_path)
    text = (tmp_path / "benchmarks.md").read_text()
    assert "| **imagebuild** | 42.0 s | 40.0 to 44.0 | 1.00 |" in text
    assert "| mkosi (no initrd!) | 63.0 s | 63.0 to 63.0 | 1.50 |" in text
    assert "| **imagebuild** | 2.0 s |" in text  # the round that fills the cache does not count
    assert "- vmdb2, cold: `no loop device`" in text
    assert "- cold: root tree 38.2 s" in text
    for name in ("benchmarks.svg", "benchmarks-size.svg"):
        assert ElementTree.parse(tmp_path / name).getroot().tag.endswith("svg")


def test_a_command_is_measured_with_its_children(tmp_path: Path) -> None:
    result = tmp_path / "result.json"
    script = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'sum(range(10**6))'])"
    words = [sys.executable, meter.__file__, str(result), "30", sys.executable, "-c", script]
    assert subprocess.run(words).returncode == 0
    numbers = json.loads(result.read_text())
    assert numbers["exit_code"] == 0
    assert numbers["cpu_seconds"] > 0
    assert numbers["peak_memory_bytes"] > 2**20
