"""When a Debian archive was last published: the moment that an image made from it shows.

Fetched before the bootstrap, because the tools that it runs (mkinitramfs, tar) want to be told by SOURCE_DATE_EPOCH.
It is only a date: what is installed is authenticated by apt.
"""

from __future__ import annotations

import re
import urllib.request
from email.utils import parsedate_to_datetime

_LINE = re.compile(r"^deb\s+(?:\[[^\]]*\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)")
_DATE = re.compile(r"^Date:\s*(?P<date>.+)$", re.MULTILINE)
_TIMEOUT_SECONDS = 30
_MOST_BYTES = 2**16  # the date stands in the first lines of InRelease (Debian's repository format)


def newest_release(apt_sources: tuple[str, ...]) -> int | None:
    """The newest Date of the sources' InRelease files, in seconds since 1970; None when none can be had.

    A mirror that does not answer is for the bootstrap to explain, not for us.
    """
    return max((date for line in apt_sources if (date := release_date(line)) is not None), default=None)


def release_date(line: str) -> int | None:
    """The Date of one source's InRelease file; None when it cannot be had."""
    match = _LINE.match(line)
    if match is None:
        return None
    uri = re.sub("^copy:", "file:", match["uri"].rstrip("/"))
    try:
        with urllib.request.urlopen(f"{uri}/dists/{match['suite']}/InRelease", timeout=_TIMEOUT_SECONDS) as answer:
            found = _DATE.search(answer.read(_MOST_BYTES).decode("utf-8", "replace"))
            return int(parsedate_to_datetime(found["date"]).timestamp()) if found else None
    except (OSError, ValueError):
        return None
