"""The masking of GRUB 0.97's `cat`, and how its transcripts are read."""

from __future__ import annotations

import gzip

from hypothesis import given
from hypothesis import strategies as st

from imagebuild.bootloaders.grub_shell import commands, mask, offset_in_file, read_transcript, unpacked

_HEAD = b"    GNU GRUB  version 0.97\ngrub> device (fd0) image.raw\ngrub> root (fd0)\n Filesystem type is ext2fs\n"
_CAT = b"grub> cat /x\n"


def test_mask_of_every_byte() -> None:
    assert mask(bytes(range(0x20))) == b"?" * 9 + b" " * 8 + b"\n" + b"??" + b"?" * 18
    assert mask(bytes(range(0x20, 0x7F))) == bytes(range(0x20, 0x7F))
    assert mask(bytes(range(0x7F, 0x100))) == b"?" * 129


def test_a_tab_is_eight_spaces_in_any_column_and_a_carriage_return_is_nothing() -> None:
    assert mask(b"abc\tE\r\nF") == b"abc        E\nF"


@given(st.binary(max_size=200), st.data())
def test_offsets_lead_back_to_the_byte(data: bytes, choose: st.DataObject) -> None:
    offset = choose.draw(st.integers(0, len(data)))
    visible = offset < len(data) and data[offset] != 0x0D
    if visible:
        assert offset_in_file(data, len(mask(data[:offset]))) >= offset - data[:offset].count(b"\r"[0])
        assert mask(data[: offset_in_file(data, len(mask(data[:offset])))]) == mask(data[:offset])


def test_a_whole_file() -> None:
    result = read_transcript(_HEAD + _CAT + b"hello\nworld\ngrub> quit\n", "/x")
    assert result is not None
    assert (result.printed, result.error) == (b"hello\nworld\n", None)


def test_a_file_without_a_last_line_end() -> None:
    result = read_transcript(_HEAD + _CAT + b"hellogrub> quit\n", "/x")
    assert result is not None
    assert result.printed == b"hello"


def test_an_error_at_once_and_in_the_midst() -> None:
    missing = read_transcript(_HEAD + _CAT + b"\nError 15: File not found\ngrub> quit\n", "/x")
    assert missing is not None
    assert (missing.printed, missing.error, missing.message) == (b"", 15, "File not found")
    hole = read_transcript(_HEAD + _CAT + b"abc?\nError 16: Inconsistent filesystem structure\ngrub> quit\n", "/x")
    assert hole is not None
    assert (hole.printed, hole.error) == (b"abc?", 16)


def test_a_refused_root() -> None:
    output = b"grub> root (hd3)\n\nError 21: Selected disk does not exist\n" + _CAT + b"\nError 17: x\ngrub> quit\n"
    result = read_transcript(output, "/x")
    assert result is not None
    assert result.error == 21


def test_a_shell_that_broke_off() -> None:
    assert read_transcript(_HEAD, "/x") is None
    assert read_transcript(_HEAD + _CAT + b"hel", "/x") is None


def test_text_that_looks_like_an_end_is_content() -> None:
    content = b"grub> quit\n\nError 99: none\n"
    result = read_transcript(_HEAD + _CAT + content + b"grub> quit\n", "/x")
    assert result is not None
    assert result.error == 99 or result.printed == content  # the comparison with the file decides


def test_commands_name_disk_root_and_file() -> None:
    assert commands("(hd0)", "image.raw", "(hd0,0)", "/k") == b"device (hd0) image.raw\nroot (hd0,0)\ncat /k\nquit\n"


def test_gzip_is_unpacked_as_the_loader_does() -> None:
    assert unpacked(gzip.compress(b"kernel")) == b"kernel"
    assert unpacked(b"plain") == b"plain"
    assert unpacked(gzip.compress(b"kernel")[:-4]) == gzip.compress(b"kernel")[:-4]
