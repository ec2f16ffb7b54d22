"""Asks programs about an image, and tells what they say of it from what befell them.

A program that was killed, ran out of time, memory or space, or ended as it never does, has said nothing about the
image: `ask` raises WitnessError, which is "could not verify", never "the image is bad", and is never cached.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import signal
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from imagebuild.errors import VerifyError
from imagebuild.formats.text import excerpt
from imagebuild.image.probe import Looked, look

# What this machine says where it has no more of something (strerror(3)); no filesystem checker says it of an image.
_MACHINES_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ENOMEM, errno.EMFILE, errno.ENFILE)
_MACHINES_WORDS = tuple(os.strerror(number) for number in _MACHINES_ERRORS)
# Where a line holds a name out of the image: debugfs' `ls -p`, and a link's target in its `stat`.
_IMAGES_LINE = re.compile(r"^(/|Fast link dest: )")
# grub-fstest loses the last buffer on a full disk, and says nothing of it.
_LEAST_FREE_BYTES = 64 * 1024


class WitnessError(VerifyError):
    """A program that judges the image could not be heard; the message names it and what befell it."""


def ask(
    argv: Sequence[str],
    *,
    name: str,
    answers: Iterable[int],
    begins: str = "",
    stdin: bytes = b"",
    environment: Mapping[str, str] | None = None,
    folder: Path,
    timeout_seconds: float = 60,
    most_file_bytes: int | None = 0,
    writes_into: Path | None = None,
) -> Looked:
    """As `look`, of a program whose word counts.

    `answers`: the exit codes with which it answers; with any but 0 it must say something. `begins`: how its output
    begins whenever it runs at all. `writes_into`: where it writes files. A file that is larger than `most_file_bytes`,
    and too much output, are the image's doing: they are returned. Raises WitnessError, and what `look` raises.
    """
    looked = look(
        argv, stdin=stdin, environment=environment, folder=folder, timeout_seconds=timeout_seconds,
        most_file_bytes=most_file_bytes,
    )  # fmt: skip
    full = writes_into is not None and shutil.disk_usage(writes_into).free < _LEAST_FREE_BYTES
    trouble = f"there is no space left in {writes_into}" if full else trouble_of(looked, answers, begins)
    if not trouble and looked.end == "time":
        trouble = f"it did not end within {timeout_seconds:g} s"
    if trouble:
        raise WitnessError(
            f"{name} could not be heard: {trouble}",
            details=looked.last_words(),
            resolution="verify it again when this machine has time, memory and room in TMPDIR",
        )
    return looked


def trouble_of(looked: Looked, answers: Iterable[int], begins: str = "") -> str:
    """What befell a program that ended by itself; empty where it answered, and where we have ended it."""
    if looked.end != "itself" or looked.exit_code == -signal.SIGXFSZ:
        return ""
    lines = (line for line in looked.text.splitlines() if not _IMAGES_LINE.match(line))
    if word := next((word for line in lines for word in _MACHINES_WORDS if word in line), ""):
        return word.lower()
    if looked.exit_code < 0:
        return f"it was ended by {_signal_name(-looked.exit_code)}"
    said = looked.last_words(200)
    if looked.exit_code not in answers:
        return f"it ended with {looked.exit_code}, which is no answer of its" + (f": {said}" if said else "")
    if not looked.text.startswith(begins) or (looked.exit_code and not said):
        return f"it ended with {looked.exit_code} and said {said or 'nothing'}"
    return ""


def machines_trouble(error: OSError) -> str:
    """The same of an error of our own reading and writing; empty where it is no fault of the machine's."""
    where = f": {excerpt(str(error.filename))}" if error.filename else ""
    return f"{os.strerror(error.errno).lower()}{where}" if error.errno in _MACHINES_ERRORS else ""


@contextlib.contextmanager
def no_verdict(image: Path) -> Iterator[None]:
    """What this machine lacks in the block (space, memory, open files) is "could not verify": WitnessError."""
    try:
        yield
    except OSError as error:
        if not (trouble := machines_trouble(error)):
            raise
        resolution = "verify it again when there is room; TMPDIR and IMAGEBUILD_CACHE choose other places"
        raise WitnessError(f"{image} could not be verified: {trouble}", resolution=resolution) from error


def _signal_name(number: int) -> str:
    with contextlib.suppress(ValueError):
        return signal.Signals(number).name
    return f"signal {number}"
