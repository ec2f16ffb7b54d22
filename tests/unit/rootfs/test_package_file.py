"""Packages are read by their content, whatever they are compressed with; damaged ones say so."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import lzma
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from imagebuild.assemble.inside.package_unpack import unpack_package
from imagebuild.errors import BuildError
from imagebuild.formats.rpm import RpmError, read_record, read_rpm
from imagebuild.rootfs.cpio_stream import CpioMembers
from imagebuild.rootfs.package_file import opened
from tests.unit.rootfs.package_files import TAGS, Files, cpio, deb, header, plain, rpm

FILES: Files = {"boot": None, "boot/vmlinuz-6.1": b"kernel" * 1000, "boot/link": "vmlinuz-6.1", "empty": b""}
PACKERS = [plain, gzip.compress, bz2.compress, lzma.compress, zstandard.ZstdCompressor().compress]


def contents(data: bytes) -> dict[str, tuple[bytes, bytes]]:
    with opened(io.BytesIO(data), "package") as members:
        return {
            member.name.removeprefix("./"): (
                member.type,
                members.open(member).read() if member.isreg() else member.linkname.encode(),
            )
            for member in members
        }


EXPECTED = {
    "boot": (tarfile.DIRTYPE, b""),
    "boot/vmlinuz-6.1": (tarfile.REGTYPE, b"kernel" * 1000),
    "boot/link": (tarfile.SYMTYPE, b"vmlinuz-6.1"),
    "empty": (tarfile.REGTYPE, b""),
}


@pytest.mark.parametrize("pack", PACKERS)
@pytest.mark.parametrize("make", [deb, rpm])
def test_every_compression(make: Callable[..., bytes], pack: Callable[[bytes], bytes]) -> None:
    assert contents(make(FILES, pack)) == EXPECTED


def test_the_facts_of_an_rpm() -> None:
    facts = read_rpm(rpm(FILES))
    assert (facts.name, facts.version, facts.release, facts.architecture) == ("kernel", "6.1", "3.fc99", "x86_64")
    assert read_record(header({**TAGS, 1003: 7})[8:]).epoch == 7


def test_hard_links_in_a_cpio_archive() -> None:
    data = cpio({"a": b"", "b": b"content", "c": b"", "d": b""}, links=(("a", "b"), ("c", "d")))
    members = CpioMembers(io.BytesIO(data), "package")
    found = [(member.name, member.type, member.linkname) for member in members]
    assert found == [
        ("b", tarfile.REGTYPE, ""),
        ("a", tarfile.LNKTYPE, "b"),
        ("c", tarfile.REGTYPE, ""),
        ("d", tarfile.REGTYPE, ""),
    ]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "neither a .deb nor an .rpm"),
        (b"PK\3\4", "neither a .deb nor an .rpm"),
        (b"!<arch>\n", "it has no data.tar"),
        (b"!<arch>\n" + b"x" * 200, "it has no data.tar"),
        (deb(FILES)[:-100], "not a tar archive that can be read"),
        (rpm(FILES)[:100], "not a complete .rpm package"),
        (rpm(FILES)[:150], "not a complete .rpm package"),
        (rpm(FILES)[:-100], "payload is damaged"),
        (rpm(FILES, lambda data: data[:200]), "payload ends early"),
        (rpm(FILES, lambda data: b"070701zz" + data[8:]), "payload is damaged"),
        (rpm(FILES, tags={key: value for key, value in TAGS.items() if key != 1044}), "is a source package"),
        (rpm(FILES, tags={**TAGS, 1124: "drpm"}), "a payload in the format drpm"),
        (rpm(FILES)[:96] + b"\x8e\xad\xe8\x01" + b"\xff" * 100, "claims 4294967295 entries"),
    ],
)
def test_damage(data: bytes, words: str) -> None:
    with pytest.raises(BuildError) as caught:
        contents(data)
    assert words in f"{caught.value.brief} {caught.value.details}"


def test_any_bytes_as_a_header_are_an_error_of_ours() -> None:
    good = rpm(FILES)
    for position in range(96, 400, 3):
        spoilt = good[:position] + b"\xff\xff" + good[position + 2 :]
        with contextlib.suppress(RpmError):
            read_rpm(spoilt)


@pytest.mark.parametrize("name", ["../outside", "a/../../outside"])
def test_a_package_does_not_lead_out(name: str, tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"points outside the tree"):
        unpack_package(io.BytesIO(deb({name: b"x"})), "evil.deb")
