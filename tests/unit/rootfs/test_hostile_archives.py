"""Archives that lead out of the tree, lie about sizes, or never end: refused before anything is unpacked."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from imagebuild.errors import BuildError
from imagebuild.rootfs.facts import read_tree

Member = tuple[str, bytes, str] | tuple[str, bytes, str, bytes]
FILE, LINK, HARD, DIR, CHAR = tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.CHRTYPE


def archive(*members: Member, format: int = tarfile.GNU_FORMAT) -> bytes:  # noqa: A002 (tarfile's word)
    """Members as (name, type, link's target, content)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=format) as tar:
        for member in members:
            info = tarfile.TarInfo(member[0])
            info.type, info.linkname = member[1], member[2]
            content = member[3] if len(member) == 4 else b""
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def refusal(data: bytes, folder: Path) -> str:
    path = folder / "rootfs.tar"
    path.write_bytes(data)
    with pytest.raises(BuildError) as caught:
        read_tree(path, "0" * 64)
    assert caught.value.resolution, "every refusal says what to do"
    return f"{caught.value.brief}: {caught.value.details}"


def header(size: int, kind: bytes = FILE, name: str = "big") -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    return info.tobuf(tarfile.GNU_FORMAT)


def with_pax(key: str, value: str, content: bytes = b"") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        info = tarfile.TarInfo("file")
        info.pax_headers = {key: value}
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ([("../outside", FILE, "")], "../outside points outside the tree with .."),
        ([("a/../../outside", FILE, "")], "points outside the tree with .."),
        ([("l", LINK, "/tmp"), ("l/file", FILE, "")], "l/file is below the symbolic link l -> /tmp"),
        ([("l", LINK, "a/../.."), ("l/file", FILE, "")], "is below the symbolic link l -> a/../.."),
        ([("a", LINK, "b"), ("b", LINK, "a"), ("a/file", FILE, "")], "is below the symbolic link"),
        ([("a", LINK, "b"), ("b", LINK, "/etc"), ("a/file", FILE, "")], "the symbolic link b -> /etc"),
        ([("h", HARD, "../../etc/passwd")], "points outside the tree with .."),
        ([("h", HARD, "/etc/passwd")], "h is a hard link to /etc/passwd, which is not a file before it"),
        ([("d", DIR, ""), ("h", HARD, "d")], "h is a hard link to d, which is not a file before it"),
        ([("x", FILE, ""), ("x", CHAR, "")], "x is in the archive twice, as a file and as a device"),
        ([("n" * 256, FILE, "")], "is longer than Linux allows"),
        ([("bad\n\x1b[31mname/..", FILE, "")], "bad\\n\\x1b[31mname/.. points outside"),
        ([("volume", b"M", "")], "is of a kind that no tree holds"),
    ],
)
def test_names(members: list[Member], words: str, tmp_path: Path) -> None:
    assert words in refusal(archive(*members), tmp_path)


# In the words of Python 3.13's tarfile, or (3.11) ours.
# Which of the two says it depends on Python: 3.13, and the security updates of older ones, look first.
NEGATIVE = "invalid offset|claims to have -1048576 bytes"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: header(8 * 2**60), "big claims to have 9223372036854775808 bytes"),
        (lambda: header(15 * 2**40), "it claims to hold"),
        (lambda: header(-1), "claims to have -1 bytes"),
        (lambda: header(2**40, tarfile.XHDTYPE), "claims to have 1099511627776 bytes"),
        (lambda: header(2**40, tarfile.GNUTYPE_LONGNAME), "claims to have 1099511627776 bytes"),
        (lambda: header(2**20), "unexpected end of data"),
        (lambda: with_pax("size", "-1048576", b"x"), NEGATIVE),
        (lambda: with_pax("size", str(2**63), b"x"), "claims to have 9223372036854775808 bytes"),
        (lambda: with_pax("GNU.sparse.map", "1,x", b"x"), "invalid literal"),
        (lambda: archive(("a", FILE, "", b"x"))[:1024], "it has no end mark"),
        (lambda: archive(("a", FILE, "", b"x"))[:700], "unexpected end of data"),
        (lambda: archive(("a", FILE, ""))[:512] + b"\1" * 512, "invalid header"),
        (lambda: b"", "rootfs.tar is not a tar archive"),
        (lambda: b"PK\3\4" + bytes(1000), "rootfs.tar is not a tar archive"),
        (lambda: gzip.compress(archive(("a", FILE, "", b"x" * 4000)))[:-20], "end-of-stream"),
        (lambda: gzip.compress(archive(("a", FILE, "", b"x" * 4000)))[:-8] + bytes(8), "CRC check failed"),
        (lambda: b"\x28\xb5\x2f\xfd" + bytes(100), "rootfs.tar is not a tar archive"),
        (lambda: b"BZh91AY&SY" + bytes(100), "rootfs.tar is not a tar archive"),
        (lambda: b"\xfd7zXZ\0" + bytes(100), "rootfs.tar is not a tar archive"),
    ],
)
def test_damage_and_lies(make: Callable[[], bytes], words: str, tmp_path: Path) -> None:
    said = refusal(make(), tmp_path)
    assert any(one in said for one in words.split("|")), said


def test_a_sparse_map_without_an_end(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        info = tarfile.TarInfo("file")
        info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "1"}
        info.size = 512
        tar.addfile(info, io.BytesIO(b"999999\n".ljust(512, b"1")))
    data = buffer.getvalue().rstrip(b"\0")
    assert "not a tar archive that can be read" in refusal(data + bytes(-len(data) % 512), tmp_path)
    assert "not a tar archive that can be read" in refusal(gzip.compress(data + bytes(-len(data) % 512)), tmp_path)


def test_harmless_oddities_are_taken(tmp_path: Path) -> None:
    path = tmp_path / "rootfs.tar"
    path.write_bytes(
        archive(
            ("/absolute", FILE, "", b"x"), (".//twice", FILE, ""), ("./twice", FILE, "", b"again"),
            ("lib", LINK, "usr/lib"), ("usr/lib", DIR, ""), ("lib/modules/6.1/modules.builtin", FILE, "", b"a/ext4.ko"),
            ("label", b"V", ""),
        )
    )  # fmt: skip
    facts, _status = read_tree(path, "0" * 64)
    assert {usage.path for usage in facts.usage} == {"/", "/usr/lib", "/usr/lib/modules"}
