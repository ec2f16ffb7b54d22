"""The templates, filled. Everything is escaped by default, and the page's own policy forbids every script but ours.

Policy: CSP level 2, with the script's digest (https://www.w3.org/TR/CSP2/#script-src-hash-usage), so that even text
which escaped the escaping could not run or load anything.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from imagebuild.formats.text import moment, pictured
from imagebuild.pages.changes import changes
from imagebuild.pages.drawing import draw
from imagebuild.pages.model import ReportPage
from imagebuild.report import Boot, BootEnd, Outcome
from imagebuild.vocabulary import GENUINE, MACHINES

_TEMPLATES = Path(__file__).with_name("templates")
_VERDICT = {"passed": "Passed", "failed": "Failed: this image is bad", "unverified": "Unverified"}
_END = {
    BootEnd.REACHED: "reached the expected text",
    BootEnd.FATAL: "fatal error",
    BootEnd.TIMEOUT: "time limit",
    BootEnd.CLOSED: "the machine ended",
}
_LOADER = {
    GENUINE: "a genuine PV-GRUB",
    "stand-in": "a stand-in for PV-GRUB",
    "direct": "QEMU's own loader",
    "own": "the image's own boot code",
}
_ORDER = (Outcome.FAILED, Outcome.WARNED, Outcome.SKIPPED, Outcome.PASSED)


def report_html(page: ReportPage) -> str:
    """report.html: one file that needs nothing else."""
    counts = [(outcome, sum(check.outcome is outcome for check in page.report.checks)) for outcome in _ORDER]
    machines = [
        (machine, sorted((check for check in page.report.checks if check.machine == machine),
                         key=lambda check: _ORDER.index(check.outcome)))
        for machine in MACHINES
    ]  # fmt: skip
    return _fill(
        "report.html.j2",
        page=page,
        report=page.report,
        verdict=_VERDICT[page.report.verdict],
        counts=[(outcome, count) for outcome, count in counts if count],
        machines=[(machine, checks) for machine, checks in machines if checks],
        drawing=draw(page.disk) if page.disk else None,
        changes=changes(page),
        consoles={console.name: console for console in page.consoles},
        end_words=_END,
        loader_words=_LOADER,
    )


def diff_html(
    title: str, sections: Sequence[tuple[str, Sequence[tuple[str, str, str, str]]]], menu: Sequence[str]
) -> str:
    """A page for `imagebuild diff --html`. A section is its title and rows: name, change, before, after.

    `menu`: the lines of a unified diff.
    """
    return _fill("diff.html.j2", title=title, sections=sections, menu=menu)


def _fill(template: str, **values: Any) -> str:
    script, style = (_own(name) for name in ("page.js", "page.css"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'"
    )
    return _environment().get_template(template).render(script=script, style=style, policy=policy, **values)


@functools.cache
def _own(name: str) -> Markup:
    """A file of ours that goes into the page as it is."""
    return Markup((_TEMPLATES / name).read_text(encoding="utf-8").strip())


@functools.cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, finalize=_harmless,
    )  # fmt: skip
    environment.filters |= {
        "size": size, "duration": duration, "moment": moment, "delta": delta, "boot_id": boot_id,
        "thousands": lambda value: f"{value:,}",
    }  # fmt: skip
    return environment


def _harmless(value: Any) -> Any:
    """Every value on its way into the page: control characters out of all but our own texts."""
    return pictured(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def boot_id(boot: Boot) -> str:
    """`xen`, `xen-fallback`: what an address within the page calls a boot."""
    return boot.machine if boot.proves == "default" else f"{boot.machine}-{boot.proves}"


def size(count_bytes: float) -> str:
    """`812 KiB`, `1.20 GiB`."""
    value = float(count_bytes)
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if abs(value) < 1024:
            return f"{value:.0f} {unit}" if unit == "bytes" or abs(value) >= 100 else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.2f} TiB"


def duration(seconds: float) -> str:
    """`3.2 s`, `1 min 23 s`."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s"


def delta(before: float | None, after: float | None, unit: str) -> str:
    """`+12.0 MiB`, `-3.1 s`, `same`; nothing where one is missing."""
    if before is None or after is None:
        return ""
    if before == after:
        return "same"
    sign = "+" if after > before else "−"
    return sign + (size(abs(after - before)) if unit == "bytes" else duration(abs(after - before)))
