"""Writes small .deb and .rpm files, whose formats were checked once against dpkg-deb and rpm."""

from __future__ import annotations

import gzip
import io
import stat
import struct
import tarfile
from collections.abc import Callable

Files = dict[str, bytes | str | None]  # content, a link's target, or None for a folder


def plain(data: bytes) -> bytes:
    return data


def deb(files: Files, pack: Callable[[bytes], bytes] = gzip.compress, suffix: str = ".gz") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(f"./{name}")
            info.type = tarfile.DIRTYPE if content is None else tarfile.SYMTYPE if isinstance(content, str) else b"0"
            info.mode = 0o755 if content is None else 0o644
            info.linkname = content if isinstance(content, str) else ""
            info.size = len(content) if isinstance(content, bytes) else 0
            tar.addfile(info, io.BytesIO(content if isinstance(content, bytes) else b""))
    empty = io.BytesIO()
    with tarfile.open(fileobj=empty, mode="w"):
        pass
    parts = [("debian-binary", b"2.0\n"), ("control.tar.gz", gzip.compress(empty.getvalue()))]
    parts.append((f"data.tar{suffix}", pack(buffer.getvalue())))
    data = b"!<arch>\n"
    for name, content in parts:
        data += f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n".encode() + content
        data += b"\n" * (len(content) % 2)
    return data


def header(tags: dict[int, str | int]) -> bytes:
    """One rpm header."""
    index, store = b"", b""
    for tag, value in sorted(tags.items()):
        if isinstance(value, int):
            store += bytes(-len(store) % 4)
            index += struct.pack(">IIII", tag, 4, len(store), 1)
            store += struct.pack(">I", value)
        else:
            index += struct.pack(">IIII", tag, 6, len(store), 1)
            store += value.encode() + b"\0"
    return b"\x8e\xad\xe8\x01" + bytes(4) + struct.pack(">II", len(tags), len(store)) + index + store


TAGS: dict[int, str | int] = {
    1000: "kernel", 1001: "6.1", 1002: "3.fc99", 1021: "linux", 1022: "x86_64", 1044: "kernel-6.1.src.rpm",
    1124: "cpio", 1125: "gzip",
}  # fmt: skip


def rpm(files: Files, pack: Callable[[bytes], bytes] = gzip.compress, tags: dict[int, str | int] = TAGS) -> bytes:
    lead = struct.pack(">4sBBHH66sHH16s", b"\xed\xab\xee\xdb", 3, 0, 0, 1, b"kernel-6.1-3.fc99", 1, 5, b"")
    signature = header({1000: 5})
    return lead + signature + bytes(-len(signature) % 8) + header(tags) + pack(cpio(files))


def cpio(files: Files, links: tuple[tuple[str, ...], ...] = ()) -> bytes:
    """`links`: groups of names that are one file; its content is with the last of them, as in rpm's payloads."""
    data = b""
    for inode, (name, content) in enumerate([*files.items(), ("TRAILER!!!", b"")], start=1):
        group = next((group for group in links if name in group), None)
        number = 1000 + links.index(group) if group else inode
        body = content.encode() if isinstance(content, str) else content or b""
        kind = stat.S_IFDIR if content is None else stat.S_IFLNK if isinstance(content, str) else stat.S_IFREG
        mode = kind | (0o755 if content is None else 0o644)
        path = name.encode() if name == "TRAILER!!!" else b"./" + name.encode()
        fields = (number, mode, 0, 0, len(group) if group else 1, 1_600_000_000, len(body), 0, 0, 0, 0,
                  len(path) + 1, 0)  # fmt: skip
        data += b"070701" + b"".join(b"%08x" % field for field in fields) + path + b"\0"
        data += bytes(-len(data) % 4) + body
        data += bytes(-len(data) % 4)
    return data
