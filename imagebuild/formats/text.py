"""Text that came from elsewhere (a console, a tool) made harmless for a terminal."""

from __future__ import annotations

# C0 and C1 control characters but for the tab, line and paragraph separators, and what turns the writing's direction:
# an escape sequence in a console line must not move our cursor, nor a file's name look like another.
_CONTROLS = {
    code: "\N{REPLACEMENT CHARACTER}"
    for code in (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
    if code != 0x09
}


def printable(line: str) -> str:
    """The line without control characters, and without what stdout could not encode (lone surrogates)."""
    return line.translate(_CONTROLS).encode("utf-8", "replace").decode("utf-8")


def duration(seconds: float) -> str:
    """`3.2 s`, `1 min 23 s`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s"


def size(count_bytes: int) -> str:
    """`812 KiB`, `1.2 GiB`: two to four digits."""
    value = float(count_bytes)
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if value >= 10 or unit == "bytes" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"
