"""docs/matrix.md, written from the results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tools.matrix.combinations import Combination

DOCUMENT = Path(__file__).parents[2] / "docs" / "matrix.md"
_HEAD = """\
# Which layouts and filesystems boot

`make matrix` (tools/matrix/) writes this page. It builds each combination from one Debian 12 tree, checks it and boots
it. Every "boots" was a boot to the login prompt, by the named loader: `pv-grub` is the genuine one, `stand-in` is
GRUB 2 in its place. "Reads it" means menu, kernels and initrds, byte for byte. A refused combination is refused while
planning, for the reason given. The results come from several runs: see the last column.

| combination | layout | /boot | root | under Xen | under QEMU | GRUB 0.97 | pygrub | date |
|---|---|---|---|---|---|---|---|---|
"""


def table(combinations: Sequence[Combination], results: dict[str, dict[str, Any]]) -> str:
    rows = [_row(item, results.get(item.name)) for item in combinations]
    done = [results[item.name] for item in combinations if item.name in results]
    verdicts = [result["verdict"] for result in done]
    count = (
        f"\n{len(combinations)} combinations: {verdicts.count('passed')} booted, {verdicts.count('refused')} rightly "
        f"refused, {len(combinations) - verdicts.count('passed') - verdicts.count('refused')} without such a result.\n"
    )
    return _HEAD + "".join(rows) + count + _notes(combinations, results)


def _row(item: Combination, result: dict[str, Any] | None) -> str:
    cells = [f"`{item.name}`", item.layout, item.boot, item.root]
    if result is None:
        cells += ["not run yet", "", "", "", ""]
    elif result["verdict"] in ("refused", "wrongly refused", "wrongly planned", "not built"):
        words = result.get("reason", "")
        cells += [f"{result['verdict']}: {_plain(words)}", "", "", "", result["date"]]
    else:
        checks = result["checks"]
        cells += [_boot(result, "xen"), _boot(result, "qemu")]
        cells += [_read(checks.get("loader-reads", {})), _read(checks.get("pygrub", {})), result["date"]]
    return "| " + " | ".join(cells) + " |\n"


def _boot(result: dict[str, Any], machine: str) -> str:
    boot = result["boots"].get(machine)
    if boot is None:
        return "not asked for" if machine not in result.get("machines", ()) else "not booted"
    if boot["end"] == "reached":
        return f"boots ({boot['loader']}, {boot['seconds']:.0f} s)"
    return f"**{boot['end']}** ({boot['loader']}): {_plain(boot['detail'])}"


def _read(check: dict[str, str]) -> str:
    words = {"passed": "reads it", "failed": "**no**", "warned": "see below", "skipped": "not read"}
    return words.get(check.get("outcome", ""), "")


def _notes(combinations: Sequence[Combination], results: dict[str, dict[str, Any]]) -> str:
    lines: list[str] = []
    for item in combinations:
        result = results.get(item.name, {})
        words = list(result.get("notes", []))
        for name, check in result.get("checks", {}).items():
            if check.get("outcome") not in ("passed", None):
                words.append(f"{name}: {check['detail']}")
        if result.get("verdict") == "failed":
            words.append(result["reason"])
        lines += [f"- `{item.name}`: {_plain(word)}" for word in dict.fromkeys(words)]
    return "\n## Notes of the checks and plans\n\n" + "\n".join(lines) + "\n" if lines else ""


def _plain(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
