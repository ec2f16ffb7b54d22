"""An image opened by a command that needs no boot: the test host's tools are made only where the image wants them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from imagebuild.events import Progress
from imagebuild.host.cache import Cache
from imagebuild.image.readers import program_for
from imagebuild.image.subject import Subject, open_subject
from imagebuild.testhost import Tools, find, prepare


@contextlib.contextmanager
def open_any(image: Path, cache: Cache, scratch: Path, progress: Progress) -> Iterator[Subject]:
    """As `open_subject`; grub-fstest, which is the test host's, is there for whatever debugfs cannot read.

    Raises what `open_subject` and `prepare` raise.
    """
    host = find(cache)
    tools = host.tools if host else Tools(Path("/nonexistent"))
    with open_subject(image, tools, scratch) as subject:
        if host is not None or not any(program_for(place) == "grub-fstest" for place in subject.places):
            yield subject
            return
    host, _ = prepare(cache, progress)
    with open_subject(image, host.tools, scratch) as subject:
        yield subject
