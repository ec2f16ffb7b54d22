"""Every page can be found: from the index, and in the site's navigation."""

from __future__ import annotations

import re
from pathlib import Path

DOCS = Path(__file__).parents[3] / "docs"
PAGES = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")} - {"index.md"}


def test_every_page_is_linked_from_the_index() -> None:
    """Of the decisions the first: the others stand beside it."""
    linked = set(re.findall(r"\]\(([^)#]+\.md)\)", (DOCS / "index.md").read_text(encoding="utf-8")))
    assert {page for page in PAGES if not page.startswith("decisions/")} - linked == set()
    assert linked - PAGES == set()


def test_every_page_is_in_the_navigation() -> None:
    text = (DOCS.parent / "mkdocs.yml").read_text(encoding="utf-8").partition("nav:")[2]
    assert set(re.findall(r"[\w./-]+\.md", text)) == PAGES | {"index.md"}
