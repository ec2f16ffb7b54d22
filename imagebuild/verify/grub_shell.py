"""Lets GRUB 0.97's own shell read files of the image: the nearest witness to PV-GRUB where no Xen is at hand.

The shell mounts a filesystem without a partition table only from a floppy, so a whole disk is shown to it as `(fd0)`;
so are copies of GPT partitions (its GPT support is PV-GRUB 1.04's, not this shell's) and of logical volumes.

0.97 unpacks what begins with gzip's magic, unasked and byte by byte: half a minute for an initrd on a busy machine.
Here only the reading matters, so the shell runs as a copy that knows no gzip; whether the loader can unpack an initrd
is looked at by the check of initrds.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

from imagebuild.bootloaders.grub_shell import (
    CatResult,
    commands,
    mask,
    offset_in_file,
    read_beginning,
    read_transcript,
    unpacked,
)
from imagebuild.formats.text import excerpt
from imagebuild.image.places import Place, copy_out
from imagebuild.image.probe import look
from imagebuild.image.subject import Subject
from imagebuild.image.witness import WitnessError, trouble_of
from imagebuild.testhost.tools import GRUB_SHELL

# It reads 10 to 20 MB a second; a hundredth of that is a machine under heavy load.
_SLOWEST_BYTES_PER_SECOND = 200_000
_LEAST_SECONDS = 30
_SLOW_SECONDS = 5
# gunzip_test_header (stage2/gunzip.c) compares a file's first two bytes with 1f8b and 1f9e; no file is known to
# begin with ffff and then to look like deflate.
_TEST_FOR_GZIP = bytes.fromhex("663d1f8b 7406 663d1f9e")
_TEST_FOR_NOTHING = bytes.fromhex("663dffff 7406 663dffff")
# Room for the banner, the echo of the commands and an error message.
_FRAME_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Reading:
    """How the shell's reading compares. `problem` is empty when every byte that was read is the same.

    `unfinished`: its time was up after `size_bytes`.
    """

    problem: str
    size_bytes: int
    unfinished: bool = False


class GrubShell:
    """One shell a file: it starts in some 15 ms."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject

    def compare(self, place: Place, path: str, content: bytes, *, slow: bool = False) -> Reading:
        """Read the file and compare it with `content`, which another reader found.

        `slow`: the file's extents do not fit into its inode. Then `cat`, which reads byte by byte, fetches the block
        of extents again for every single one: a minute for a kernel (the loader reads whole blocks). It gets a few
        seconds.

        Offsets count in the file, or in its unpacked content where this shell had to unpack it. Raises WitnessError
        where the shell could not be heard.
        """
        if self._program is None:
            content = unpacked(content)
        expected = mask(content)
        result = self._cat(place, path, len(expected), slow=slow)
        if isinstance(result, str):
            return Reading(result, 0)
        if isinstance(result, bytes):
            if expected.startswith(result):
                return Reading("", offset_in_file(content, len(result)), unfinished=True)
            result = CatResult(result)
        if result.printed == expected and result.error is None:
            return Reading("", len(content))
        offset = offset_in_file(content, _common(result.printed, expected))
        if result.error is not None:
            where = f" at byte {offset}" if result.printed else ""
            return Reading(f"Error {result.error}: {result.message}{where}", offset)
        if len(result.printed) < len(expected) and expected.startswith(result.printed):
            return Reading(f"it ends at byte {offset} of {len(content)}", offset)
        return Reading(f"another content from byte {offset} on", offset)

    def _cat(self, place: Place, path: str, most_bytes: int, *, slow: bool) -> CatResult | bytes | str:
        """What it printed; as bytes, what it had printed when its time was up; or why there is nothing."""
        if any(char in path for char in " \t\n\r\0"):
            return f"GRUB 0.97 ends a path at white space: {excerpt(path)}"
        device, image, root = self._device(place)
        seconds = _SLOW_SECONDS if slow else _LEAST_SECONDS + most_bytes / _SLOWEST_BYTES_PER_SECOND
        looked = look(
            self._words(),
            stdin=commands(device, image, root, path),
            folder=self._subject.raw.parent,
            timeout_seconds=seconds,
            most_output_bytes=most_bytes + _FRAME_BYTES,
        )
        if looked.end == "time" and slow:
            return read_beginning(looked.output, path) or b""
        if looked.end == "output":
            return f"it prints more than the file has: {looked.last_words(200)}"
        result = read_transcript(looked.output, path) if looked.end == "itself" else None
        if result is None:
            said = looked.last_words(200) or "nothing"
            trouble = f"it did not end within {seconds:.0f} s" if looked.end == "time" else trouble_of(looked, (0, 1))
            raise WitnessError(f"GRUB 0.97's shell could not be heard: {trouble or f'it broke off and said {said}'}")
        return result

    def _words(self) -> list[str]:
        original = str(self._subject.tools.root / GRUB_SHELL)
        return [
            str(self._program) if self._program and word == original else word
            for word in self._subject.tools.grub_shell()
        ]

    @functools.cached_property
    def _program(self) -> Path | None:
        """The shell without its gunzip; None when it is another build than the one that is known here."""
        code = (self._subject.tools.root / GRUB_SHELL).read_bytes()
        if code.count(_TEST_FOR_GZIP) != 1:
            return None
        program = self._subject.scratch / "grub-without-gunzip"
        program.write_bytes(code.replace(_TEST_FOR_GZIP, _TEST_FOR_NOTHING))
        return program

    def _device(self, place: Place) -> tuple[str, str, str]:
        """The shell's name for the disk, the image's file name, and the shell's name for the place."""
        subject = self._subject
        if subject.table is None and place.volume is None:
            return "(fd0)", subject.raw.name, "(fd0)"
        if subject.table is not None and subject.table.label == "dos" and place.partition is not None:
            return "(hd0)", subject.raw.name, place.name
        return "(fd0)", self._copy(place).name, "(fd0)"

    @functools.cache  # noqa: B019 (a shell lives as long as one verification)
    def _copy(self, place: Place) -> Path:
        name = f"place-{self._subject.places.index(place)}.raw"
        return copy_out(self._subject.raw, place, self._subject.scratch / name)


def _common(left: bytes, right: bytes) -> int:
    """How many bytes at the start are the same."""
    low, high = 0, min(len(left), len(right))
    while low < high:
        middle = (low + high + 1) // 2
        if left[low:middle] == right[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
