"""What a verb writes on its standard output, text or JSON: the one way out, so that nothing in it moves a cursor."""

from __future__ import annotations

import sys
from typing import TextIO


def say_text(text: str = "", *, end: str = "\n", stream: TextIO | None = None) -> None:
    """Print lines; what an image, a recipe or a file's name brought along is harmless in them."""
    from imagebuild.formats.text import printable

    lines = "\n".join(printable(line) for line in text.split("\n"))
    print(lines, end=end, file=stream or sys.stdout, flush=True)


def say_json(document: str) -> None:
    """Print a JSON document; nothing of it is lost."""
    from imagebuild.formats.text import json_text

    print(json_text(document), flush=True)
