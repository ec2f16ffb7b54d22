"""The machine's own apt sources, so that a bootstrap uses the mirror that this machine can reach."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

_ONE_LINE = re.compile(r"^deb\s+(?:\[[^\]]*\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)\s+(?P<components>.+)$")
_ARCHIVE = re.compile(r"/debian/?$")
_SECURITY = re.compile(r"/debian-security/?$")
_WITH_SECURITY_SUFFIX = re.compile(r"^(?:bullseye|bookworm|trixie|forky|stable|oldstable|testing)$")


def debian_mirrors(suite: str, components: tuple[str, ...] = ("main",), folder: Path = Path("/etc/apt")) -> list[str]:
    """One-line sources for `suite` from the mirrors that this machine uses for Debian, updates and security included.

    Empty when the machine names no Debian mirror (another distribution): mmdebstrap then uses its own default.
    """
    uris = list(dict.fromkeys(uri for uri, _suite in _sources(folder)))
    archive = next((uri for uri in uris if _ARCHIVE.search(uri)), None)
    if archive is None:
        return []
    wanted = " ".join(components)
    lines = [f"deb {archive} {suite} {wanted}"]
    if _WITH_SECURITY_SUFFIX.match(suite):
        lines.append(f"deb {archive} {suite}-updates {wanted}")
        security = next((uri for uri in uris if _SECURITY.search(uri)), None)
        if security is not None:
            lines.append(f"deb {security} {suite}-security {wanted}")
    return lines


def _sources(folder: Path) -> Iterator[tuple[str, str]]:
    """(URI, suite) of every enabled binary source, from both of apt's file formats (sources.list(5))."""
    lists = [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*.list"))]
    for path in lists:
        if path.is_file():
            for line in path.read_text("utf-8", "replace").splitlines():
                if match := _ONE_LINE.match(line.strip()):
                    yield match["uri"], match["suite"]
    for path in sorted((folder / "sources.list.d").glob("*.sources")):
        for stanza in re.split(r"\n\s*\n", path.read_text("utf-8", "replace")):
            yield from _stanza(stanza)


def _stanza(text: str) -> Iterator[tuple[str, str]]:
    fields: dict[str, str] = {}
    for line in text.splitlines():
        if not line.startswith("#") and ":" in line and not line[:1].isspace():
            key, _, value = line.partition(":")
            fields[key.strip().lower()] = value.strip()
    if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() == "no":
        return
    for uri in fields.get("uris", "").split():
        for suite in fields.get("suites", "").split():
            yield uri, suite
