"""report.html in a real browser: nothing runs but our own script, nothing is fetched, and it fits a phone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from imagebuild.pages.render import report_html
from tests.browser import Browser, browser
from tests.unit.pages.samples import page

pytestmark = [pytest.mark.integration, pytest.mark.needs("chromium")]
SEARCH = """
(() => {
  const field = document.querySelector('input[data-for=console-xen]');
  field.value = %r; field.dispatchEvent(new Event('input'));
  const lines = [...document.querySelectorAll('#console-xen span')];
  const shown = lines.filter((line) => !line.hidden).map((line) => line.textContent);
  return [shown, document.querySelectorAll('mark').length];
})()
"""


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("browser")) as tab:
        yield tab


@pytest.fixture(scope="module", params=[False, True], ids=["good", "hostile"])
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(report_html(page(hostile=request.param)), encoding="utf-8")
    return path


@pytest.mark.parametrize("width", [1100, 390, 320])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_it_shows(tab: Browser, written: Path, width: int, dark: bool) -> None:
    tab.open(written, width=width, dark=dark)
    assert tab.complaints() == []
    assert tab.requests() == [written.as_uri()]
    assert tab.value("document.title") != "owned"
    assert tab.value("document.querySelectorAll('script').length") == 1
    assert tab.value("document.querySelectorAll('section').length") >= 7
    for details in (False, True):
        tab.value(f"document.querySelectorAll('details').forEach((part) => part.open = {str(details).lower()})")
        assert tab.value("document.documentElement.scrollWidth") <= width, "nothing is wider than the screen"
    light = tab.value("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).every((part) => part > 128)")
    assert light != dark


def test_the_console_is_searched(tab: Browser, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(report_html(page(hostile=True)), encoding="utf-8")
    tab.open(path, width=1100)
    everything, marks = tab.value(SEARCH % "")
    assert (len(everything), marks) == (5, 0)
    assert tab.value(SEARCH % "KERNEL PANIC") == [["Kernel panic - not syncing: <b>no</b> init"], 1]
    assert tab.value("document.getElementById('console-xen-count').textContent") == "1 of 5"
    lines, marks = tab.value(SEARCH % "<script>")
    assert (lines, marks) == (everything[:1], 1)
    assert tab.value(SEARCH % "")[0] == everything
    assert tab.value("document.title") != "owned"
    assert tab.value("[...document.querySelectorAll('.fatal')].map((line) => line.textContent)") == everything[-1:]
    assert tab.complaints() == []


def test_a_link_to_a_fatal_line_opens_the_console(tab: Browser, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(report_html(page(hostile=True)), encoding="utf-8")
    tab.open(path, width=390)
    tab.value("document.querySelectorAll('details').forEach((part) => part.open = false)")
    tab.value("document.querySelector('a[href=\"#xen-5\"]').click()")
    tab.value("new Promise((done) => setTimeout(done, 100))")
    assert tab.value("document.getElementById('xen-5').closest('details').open")
