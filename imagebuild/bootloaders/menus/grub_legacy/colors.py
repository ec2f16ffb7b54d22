"""`color`: which arguments are an error (stage2/builtins.c, color_func)."""

from __future__ import annotations

from imagebuild.bootloaders.menus.grub_legacy.errors import BuiltinError
from imagebuild.bootloaders.menus.grub_legacy.lines import BadNumber, first_word, parse_number, skip_to

_COLORS = (
    "black", "blue", "green", "cyan", "red", "magenta", "brown", "light-gray", "dark-gray", "light-blue",
    "light-green", "light-cyan", "light-red", "light-magenta", "yellow", "white",
)  # fmt: skip
_BACKGROUNDS = 8


def check_colors(argument: str) -> None:
    """Raises BuiltinError for an argument that `color` refuses."""
    highlight = skip_to(argument, after_equal=False)
    for text in (argument, highlight) if highlight else (argument,):
        if not _is_color(text) and isinstance(found := parse_number(text), BadNumber):
            raise BuiltinError(found.error)


def _is_color(text: str) -> bool:
    """FG/BG; what stands before the first `/` is the foreground, white space and all."""
    foreground, slash, background = text.partition("/")
    if not slash:
        return False
    foreground = foreground.removeprefix("blink-")
    return foreground in _COLORS and first_word(background) in _COLORS[:_BACKGROUNDS]
