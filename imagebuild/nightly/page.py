"""summary.html: all recipes and all nights on one page that needs nothing else, and runs nothing."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from imagebuild import pages
from imagebuild.formats.text import pictured
from imagebuild.nightly import trends
from imagebuild.nightly.model import Night, State
from imagebuild.pages.render import delta, duration, size
from imagebuild.report import VERDICT_WORDS, PackageNews, Verdict

_OWN = Path(__file__).with_name("templates")
_SHARED = Path(pages.__file__).with_name("templates")
_WORDS = {
    State.PASSED: "passed",
    State.CHECKED: VERDICT_WORDS[Verdict.CHECKED],
    State.NOT_VERIFIED: "not verified",
    State.UNCHANGED: "unchanged",
    State.FAILED: "failed: bad image",
    State.UNVERIFIED: "unverified",
    State.BROKEN: "not built",
    State.LOST: "lost",
}
# No script at all, so the policy allows none: text that escaped the escaping could still do nothing.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def summary_html(nights: Sequence[Night]) -> str:
    """The page. `nights`: the oldest first, never empty."""
    night = nights[-1]
    states = [result.state for result in night.results]
    style = "\n".join(path.read_text(encoding="utf-8") for path in (_SHARED / "page.css", _OWN / "summary.css"))
    return _environment().get_template("summary.html.j2").render(
        night=night,
        nights=list(nights)[-trends.SHOWN_NIGHTS :],
        stories=trends.stories(nights),
        counts=[(state, states.count(state)) for state in State if state in states],
        verdict=_verdict(night),
        words=_WORDS,
        style=Markup(style),
        script="",
        policy=_POLICY,
    )  # fmt: skip


def _verdict(night: Night) -> tuple[str, str]:
    """The page's class and headline."""
    unverified, checked = (
        sum(result.state is state for result in night.results) for state in (State.NOT_VERIFIED, State.CHECKED)
    )
    if night.exit_code == 0 and unverified:
        return "unverified", f"{unverified} of {len(night.results)} built and not verified, as requested"
    if night.exit_code == 0 and checked:
        return "unverified", f"{checked} of {len(night.results)} checked and not booted, as requested"
    silent = sum(bool(result.packages and result.packages.because) for result in night.results)
    if night.exit_code == 0 and silent:
        return "unverified", f"{silent} of {len(night.results)}: the archive could not be asked for updates"
    if night.exit_code == 0:
        return "passed", "All passed" if night.results else "No recipes"
    bad = [result for result in night.results if result.exit_code != 0]
    word = f"{len(bad)} of {len(night.results)} did not pass"
    return ("failed" if any(r.state in (State.FAILED, State.BROKEN) for r in bad) else "unverified"), word


@functools.cache
def _environment() -> Environment:
    environment = Environment(
        loader=ChoiceLoader([FileSystemLoader(_OWN), FileSystemLoader(_SHARED)]), autoescape=True,
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_harmless,
    )  # fmt: skip
    environment.filters |= {
        "size": size,
        "duration": duration,
        "delta": delta,
        "line": trends.line,
        "packages": packages_text,
        "measure": _measure,
    }
    return environment


def packages_text(news: PackageNews | None) -> str:
    """ "127 as of 2026-11-29, 1 updated since the last run"."""
    if news is None:
        return ""
    day = f" as of {news.as_of[:10]}" if news.as_of else ""
    if news.because:
        return f"{news.count}{day}; the archive could not be asked for updates"
    updated = f", {len(news.updated)} updated since the last run" if news.updated else ""
    return f"{news.count} packages{day}{updated}"


def _measure(value: float, unit: str) -> str:
    return size(value) if unit == "bytes" else duration(value)


def _harmless(value: Any) -> Any:
    return pictured(value) if isinstance(value, str) and not isinstance(value, Markup) else value
