"""What GRUB 0.97's shell prints when it is told to `cat` a file, and how to compare that with the file's real bytes.

Found by experiment against Debian's grub-legacy 0.97-80 (all 256 byte values, alone, in pairs, in every column), and
equal to stage2/builtins.c, cat_func, and stage2/char_io.c, grub_putchar: bytes from space to `~` and the line feed
come out as they are; a tab as eight spaces, whatever the column; a carriage return as nothing; everything else as `?`.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass

_VISIBLE = bytes(byte if 0x20 <= byte <= 0x7E or byte == 0x0A else 0x3F for byte in range(256))
_MOST_UNPACKED = 2**30
_TAB = b" " * 8
_WIDE = re.compile(rb"[\t\r]")
_ERROR = re.compile(rb"\nError (\d+): ([^\n]*)\ngrub> quit\n*\Z")
_END = re.compile(rb"grub> quit\n*\Z")
_ROOT_ERROR = re.compile(rb"\n\nError (\d+): ([^\n]*)\ngrub> ")


def mask(data: bytes) -> bytes:
    """`data` as the shell's `cat` prints it."""
    # A tab and a carriage return would not survive the table: exchange them afterwards, by way of their own values.
    table = bytearray(_VISIBLE)
    table[0x09], table[0x0D] = 0x09, 0x0D
    return data.translate(bytes(table)).replace(b"\r", b"").replace(b"\t", _TAB)


def unpacked(data: bytes) -> bytes:
    """What 0.97 hands over of a file: of a gzip file its content, of any other (or a damaged one) the file itself.

    All members are unpacked here. The loader unpacks the first alone, so a file of several comes out differently:
    that is the difference to be found.
    """
    content = b""
    rest = data
    while rest[:2] == b"\x1f\x8b":
        decompressor = zlib.decompressobj(wbits=31)
        try:
            content += decompressor.decompress(rest, _MOST_UNPACKED)
        except zlib.error:
            return data
        if not decompressor.eof:
            return data
        rest = decompressor.unused_data
    return content + rest if content else data


def offset_in_file(data: bytes, masked_offset: int) -> int:
    """The offset in `data` of the byte that became the byte at `masked_offset` of `mask(data)`."""
    shift = 0
    for match in _WIDE.finditer(data):
        width = 8 if match[0] == b"\t" else 0
        at = match.start() + shift
        if at + width > masked_offset:
            break
        shift += width - 1
    return max(0, min(masked_offset - shift, len(data)))


@dataclass(frozen=True, slots=True)
class CatResult:
    """What came of `cat`: the masked bytes that were printed, and the error that ended it, if any did."""

    printed: bytes
    error: int | None = None
    message: str = ""


def commands(device: str, image: str, root: str, path: str) -> bytes:
    """The shell's input for reading one file: `device` is the shell's name for `image` (`(fd0)`, `(hd0)`)."""
    return f"device {device} {image}\nroot {root}\ncat {path}\nquit\n".encode("utf-8", "surrogateescape")


def read_beginning(output: bytes, path: str) -> bytes | None:
    """What `cat` had printed of the file when the shell was ended; None when it had not come to that."""
    echo = b"\ngrub> cat " + path.encode("utf-8", "surrogateescape") + b"\n"
    start = output.find(echo)
    return None if start < 0 or _ROOT_ERROR.search(output[: start + 7]) else output[start + len(echo) :]


def read_transcript(output: bytes, path: str) -> CatResult | None:
    """The result of `commands(…)`; None when the transcript is not one of a shell that came to its end."""
    echo = b"\ngrub> cat " + path.encode("utf-8", "surrogateescape") + b"\n"
    start = output.find(echo)
    if start < 0:
        return None
    if refused := _ROOT_ERROR.search(output[: start + 7]):
        return CatResult(b"", int(refused[1]), refused[2].decode("ascii", "replace"))
    if error := _ERROR.search(output, start + len(echo)):
        printed = output[start + len(echo) : error.start()]
        return CatResult(printed, int(error[1]), error[2].decode("ascii", "replace"))
    end = _END.search(output, start + len(echo))
    return CatResult(output[start + len(echo) : end.start()]) if end else None
