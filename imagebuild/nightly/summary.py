"""What a night writes for its readers: junit.xml, summary.json, summary.html."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from imagebuild.nightly.junit import junit_of_night
from imagebuild.nightly.model import Night
from imagebuild.report import Report


@dataclass(frozen=True, slots=True)
class Summary:
    """What the summary pages are made of: all nights, the last one at the end, and its reports by name."""

    nights: tuple[Night, ...]
    reports: Mapping[str, Report]

    @property
    def night(self) -> Night:
        return self.nights[-1]


def summary_files(summary: Summary) -> Mapping[str, str]:
    """The files' texts by their names."""
    from imagebuild.nightly.page import summary_html

    nights = [night.model_dump(mode="json") for night in summary.nights]
    return {
        "junit.xml": junit_of_night(summary.night, summary.reports),
        "summary.json": json.dumps({"exit_code": summary.night.exit_code, "nights": nights}, indent=1) + "\n",
        "summary.html": summary_html(summary.nights),
    }
