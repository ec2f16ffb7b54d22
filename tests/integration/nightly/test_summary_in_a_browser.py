"""summary.html in a real browser: it fits a phone, knows the dark, fetches nothing and runs nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from imagebuild.nightly.page import summary_html
from tests.browser import Browser, browser
from tests.unit.nightly.samples import sample_nights

pytestmark = [pytest.mark.integration, pytest.mark.needs("chromium")]


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("browser")) as tab:
        yield tab


@pytest.mark.parametrize("width", [1100, 390, 320])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("hostile", [False, True], ids=["good", "hostile"])
def test_it_shows(tab: Browser, tmp_path: Path, width: int, dark: bool, hostile: bool) -> None:
    path = tmp_path / "summary.html"
    path.write_text(summary_html(sample_nights(hostile=hostile)), encoding="utf-8")
    tab.open(path, width=width, dark=dark)
    assert tab.complaints() == []
    assert tab.requests() == [path.as_uri()]
    assert tab.value("document.title") != "owned"
    assert tab.value("document.querySelectorAll('section.recipe').length") == 5
    assert tab.value("document.querySelectorAll('svg.trend polyline').length") >= 12
    assert tab.value("document.documentElement.scrollWidth") <= width, "nothing is wider than the screen"
    lines = "[...document.querySelectorAll('.date')].every((date) => date.getClientRects().length === 1)"
    assert tab.value(lines), "no date breaks"
    verdicts = "document.querySelector('td.state').compareDocumentPosition(document.querySelector('svg.trend'))"
    assert tab.value(f"{verdicts} & Node.DOCUMENT_POSITION_FOLLOWING"), "verdicts stand before sparklines"
    assert tab.value("document.querySelectorAll('section.recipe a').length") >= 12
    light = tab.value("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).every((part) => part > 128)")
    assert light != dark
