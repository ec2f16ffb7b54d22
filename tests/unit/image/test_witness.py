"""What a program's end says of the program, and what of the image."""

from __future__ import annotations

import errno
import os

import pytest

from imagebuild.image.probe import Looked
from imagebuild.image.witness import machines_trouble, trouble_of

BANNER = "debugfs 1.47.0 (5-Feb-2023)\n"


@pytest.mark.parametrize(
    ("looked", "words"),
    [
        (Looked(-9, BANNER.encode(), "itself"), "it was ended by SIGKILL"),
        (Looked(-99, BANNER.encode(), "itself"), "it was ended by signal 99"),
        (Looked(77, BANNER.encode(), "itself"), "it ended with 77"),
        (Looked(127, b"not found", "itself"), "it ended with 127, which is no answer of its: not found"),
        (Looked(0, b"", "itself"), "it ended with 0 and said nothing"),
        (Looked(1, b"", "itself"), "it ended with 1 and said nothing"),
        (Looked(0, f"{BANNER}dump: No space left on device while writing".encode(), "itself"), "no space left"),
        (Looked(1, f"{BANNER}OSError: [Errno 12] Cannot allocate memory".encode(), "itself"), "cannot allocate memory"),
    ],
)
def test_it_has_said_nothing_of_the_image(looked: Looked, words: str) -> None:
    assert words in trouble_of(looked, (0, 1), "debugfs ")


@pytest.mark.parametrize(
    "looked",
    [
        Looked(0, BANNER.encode(), "itself"),
        Looked(1, f"{BANNER}debugfs: Bad magic number in super-block".encode(), "itself"),
        Looked(-25, b"", "itself"),  # SIGXFSZ: the file is larger than it may be
        Looked(-9, b"", "output"),
        # names out of the image
        Looked(0, f"{BANNER}/12/100644/0/0/No space left on device/1/\n".encode(), "itself"),
        Looked(0, f'{BANNER}Fast link dest: "Input/output error"\n'.encode(), "itself"),
    ],
)
def test_it_speaks_of_the_image(looked: Looked) -> None:
    assert trouble_of(looked, (0, 1), "debugfs ") == ""


def test_errors_of_our_own() -> None:
    assert machines_trouble(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/tmp/a")) == (
        "no space left on device: /tmp/a"
    )
    assert machines_trouble(OSError(errno.ENOENT, "gone", "/tmp/a")) == ""
