"""Runs programs that look at an image that nobody vouches for: time, output and memory limited, nothing written to it.

RLIMIT_FSIZE is the lock on the image: with a limit of 0 the kernel refuses every write to a file (setrlimit(2)), even
for a program that opens the image for writing (GRUB 0.97's shell does when it may). Such a program's output goes
through a pipe, to which the limit does not apply.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from imagebuild.formats.text import excerpt
from imagebuild.host import command

_CHUNK = 64 * 1024
_MEMORY_BYTES = 8 * 2**30
_PACKAGES = {"sfdisk": "fdisk", "debugfs": "e2fsprogs", "e2fsck": "e2fsprogs"}
_USUAL_OUTPUT_BYTES = 4 * 2**20


@dataclass(frozen=True, slots=True)
class Looked:
    """How a program ended. `end`: by itself, for its time, or for its output. `output` is stdout and stderr, merged."""

    exit_code: int
    output: bytes
    end: Literal["itself", "time", "output"]

    @property
    def text(self) -> str:
        return self.output.decode("utf-8", "replace")

    def last_words(self, most: int = 400) -> str:
        """The end of the output on one line, safe to show."""
        lines = [line.strip() for line in self.text.splitlines() if line.strip()]
        return excerpt(" | ".join(lines[-4:]), most)


def look(
    argv: Sequence[str],
    *,
    stdin: bytes = b"",
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    timeout_seconds: float = 60,
    most_output_bytes: int = _USUAL_OUTPUT_BYTES,
    most_file_bytes: int | None = 0,
) -> Looked:
    """Run a program to its end, or until it takes too long or prints too much.

    `most_file_bytes` is the largest file that it may write. 0: none at all; None: no limit, for programs that look at
    a copy and insist. Raises HostError when there is no such program.
    """
    if "/" not in argv[0]:
        command.require(argv[0], _PACKAGES.get(argv[0], argv[0]))
    size = [] if most_file_bytes is None else [f"--fsize={most_file_bytes}"]
    limits = ["prlimit", *size, "--core=0", f"--as={_MEMORY_BYTES}", "--"]
    output = bytearray()
    ends: list[Literal["time", "output"]] = []
    too_much = threading.Event()

    def collect(chunk: bytes) -> None:
        if len(output) <= most_output_bytes:
            output.extend(chunk)
        elif not too_much.is_set():
            too_much.set()

    with command.running(
        [*limits, *argv], on_bytes=collect, stdin=stdin, environment=environment, folder=folder, chunk_bytes=_CHUNK,
        without_sync=True,
    ) as process:  # fmt: skip

        def give_up(why: Literal["time", "output"]) -> None:
            ends.append(why)
            process.kill()

        def watch() -> None:
            too_much.wait()
            if not finished.is_set():
                give_up("output")

        finished = threading.Event()
        timer = threading.Timer(timeout_seconds, give_up, ("time",))
        watcher = threading.Thread(target=watch, daemon=True)
        timer.start()
        watcher.start()
        try:
            exit_code = process.wait()
        finally:
            finished.set()
            timer.cancel()
            too_much.set()
    return Looked(exit_code, bytes(output), ends[0] if ends else "itself")
