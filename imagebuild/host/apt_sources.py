"""Where this machine gets its Debian packages: apt's own sources, so that a bootstrap uses the same mirror."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

APT_FOLDER = Path("/etc/apt")
# The pockets of a release that belong together (Debian's own names; "updates" with a slash until Debian 10).
_POCKETS = ("", "-updates", "-security", "/updates")
# Names that Debian's keyring has had; a source signed by another key is not Debian's.
_DEBIAN_KEYRING = "debian-archive"
_ONE_LINE = re.compile(r"^deb\s+(?:\[(?P<options>[^\]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)\s+(?P<components>.+)$")


@dataclass(frozen=True, slots=True)
class Source:
    """One repository in one suite, as apt names it."""

    uri: str
    suite: str
    components: tuple[str, ...]
    signed_by: str = ""
    trusted: bool = False

    def one_line(self) -> str:
        """The entry in sources.list(5)'s one-line form, with the component main only.

        The key is left out: mmdebstrap finds Debian's itself, and its path need not exist inside the new tree.
        """
        return f"deb {'[trusted=yes] ' if self.trusted else ''}{self.uri} {self.suite} main"


def debian_mirrors(suite: str, directory: Path = APT_FOLDER) -> list[str]:
    """One-line `deb` entries for `suite` and its updates and security pockets, as far as this machine's apt has them.

    Empty when apt here knows nothing of that suite (another release, another distribution): mmdebstrap then takes
    its own default mirror. Only http and https are taken: other URIs mean nothing inside a new tree.
    """
    wanted = {suite + pocket for pocket in _POCKETS}
    found = [source for source in read_sources(directory) if source.suite in wanted and _is_debian(source)]
    if not any(source.suite == suite for source in found):
        return []
    return list(dict.fromkeys(source.one_line() for source in found))


def _is_debian(source: Source) -> bool:
    if "main" not in source.components or not source.uri.startswith(("http://", "https://")):
        return False
    return not source.signed_by or _DEBIAN_KEYRING in source.signed_by


def read_sources(directory: Path) -> Iterator[Source]:
    """Every binary source of /etc/apt (or a directory like it), in apt's own order. Unreadable files are skipped."""
    for path in [directory / "sources.list", *sorted((directory / "sources.list.d").glob("*"))]:
        if path.suffix not in (".list", ".sources"):
            continue
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        yield from parse_one_line(text) if path.suffix == ".list" else parse_deb822(text)


def parse_one_line(text: str) -> Iterator[Source]:
    """sources.list(5), ONE-LINE-STYLE FORMAT."""
    for line in text.splitlines():
        match = _ONE_LINE.match(line.partition("#")[0].strip())
        if match is None:
            continue
        options = dict(word.split("=", 1) for word in (match["options"] or "").split() if "=" in word)
        yield Source(
            uri=match["uri"],
            suite=match["suite"],
            components=tuple(match["components"].split()),
            signed_by=options.get("signed-by", ""),
            trusted=options.get("trusted") == "yes",
        )


def parse_deb822(text: str) -> Iterator[Source]:
    """sources.list(5), DEB822-STYLE FORMAT."""
    for stanza in re.split(r"\n\s*\n", text):
        fields = _fields(stanza)
        if fields.get("enabled", "yes") == "no" or "deb" not in fields.get("types", "").split():
            continue
        for uri in fields.get("uris", "").split():
            for suite in fields.get("suites", "").split():
                yield Source(
                    uri=uri,
                    suite=suite,
                    components=tuple(fields.get("components", "").split()),
                    signed_by=fields.get("signed-by", ""),
                    trusted=fields.get("trusted") == "yes",
                )


def _fields(stanza: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    name = ""
    for line in stanza.splitlines():
        if line.startswith("#"):
            continue
        if line[:1].isspace():
            if name:
                fields[name] += " " + line.strip()
            continue
        name, colon, value = line.partition(":")
        name = name.strip().lower()
        if colon:
            fields[name] = value.strip()
        else:
            name = ""
    return fields
