"""An image opened by a command that needs no boot: the test host's tools are made only where the image wants them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from imagebuild.events import Progress
from imagebuild.host.cache import Cache
from imagebuild.image.places import Place
from imagebuild.image.subject import Subject, open_subject
from imagebuild.testhost import Tools, find, prepare

_BY_DEBUGFS = ("ext2", "ext3", "ext4")
_BY_FSTEST = (*_BY_DEBUGFS, "xfs", "btrfs", "reiserfs", "vfat")  # see readers.py


@contextlib.contextmanager
def open_any(image: Path, cache: Cache, scratch: Path, progress: Progress) -> Iterator[Subject]:
    """As `open_subject`; grub-fstest, which is the test host's, is there for whatever debugfs cannot read.

    Raises what `open_subject` and `prepare` raise.
    """
    host = find(cache)
    tools = host.tools if host else Tools(Path("/nonexistent"))
    with open_subject(image, tools, scratch) as subject:
        if host is not None or not any(_wants_tools(place) for place in subject.places):
            yield subject
            return
    host, _ = prepare(cache, progress)
    with open_subject(image, host.tools, scratch) as subject:
        yield subject


def _wants_tools(place: Place) -> bool:
    return place.type in _BY_FSTEST and (place.type not in _BY_DEBUGFS or len(place.runs) != 1)
