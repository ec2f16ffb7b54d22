"""A kernel whose payload a Xen loader cannot unpack, with a second payload that it can.

A bzImage is a small program with the kernel proper in it, compressed: the payload. A PC's own start runs the program,
which finds the payload by addresses compiled into it. Xen's domain builder and the loaders built on it (PV-GRUB,
Xen in dom0, GRUB 2) never run it: they read where the payload lies from two fields of the setup header, and
unpack it themselves. So the same kernel compressed with gzip is put behind the file's end, and the two fields lead
there: the file boots both ways, and nothing of it but these fields and its length is changed.

Source: the kernel's Documentation/arch/x86/boot.rst (payload_offset, payload_length); Xen's
tools/libs/guest/xg_dom_bzimageloader.c; GRUB's grub-core/loader/i386/xen_file.c.
"""

from __future__ import annotations

import bz2
import lzma
import struct
import zlib

import lz4.block
import zstandard

from imagebuild.formats.bzimage import Payload, payload_compression
from imagebuild.formats.compression import DAMAGED

# The largest kernel that Xen's domain builder unpacks is 1 GiB (XC_DOM_DECOMPRESS_MAX); real ones stay below 128 MiB.
_MOST_UNPACKED = 512 * 2**20
_LZ4_BLOCK = 8 * 2**20
_SECTOR = 512
_PARAGRAPH = 16
_SETUP_SECTORS, _SYSSIZE, _PAYLOAD = 0x1F1, 0x1F4, 0x248
# Fast, and within some 3% of the smallest.
_LEVEL = 6


class RepackError(ValueError):
    """The kernel cannot be given another payload; the message says why."""


def with_gzip_payload(data: bytes) -> bytes:
    """The bzImage with a payload that is compressed with gzip. Raises RepackError."""
    if data[0x202:0x206] != b"HdrS" or len(data) < 0x264 or struct.unpack_from("<H", data, 0x206)[0] < 0x208:
        raise RepackError("it is no bzImage of boot protocol 2.08 or later")
    offset, length = struct.unpack_from("<II", data, _PAYLOAD)
    begin = ((data[_SETUP_SECTORS] or 4) + 1) * _SECTOR
    payload = data[begin + offset : begin + offset + length]
    if len(payload) != length or not length:
        raise RepackError("it ends before its payload does")
    kernel = unpack_payload(payload)
    if kernel[:4] != b"\x7fELF":
        raise RepackError("its payload is no ELF file")
    compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, 31)
    packed = compressor.compress(kernel) + compressor.flush()
    padding = -len(data) % _PARAGRAPH
    new = bytearray(data + bytes(padding) + packed)
    # Xen takes gzip's own last four bytes, the size, from the payload's end: nothing may stand behind them.
    struct.pack_into("<II", new, _PAYLOAD, len(data) + padding - begin, len(packed))
    struct.pack_into("<I", new, _SYSSIZE, -(-(len(new) - begin) // _PARAGRAPH))
    return bytes(new)


def unpack_payload(payload: bytes) -> bytes:
    """The kernel proper, an ELF file. The kernel's build puts the size behind most compressed data: it is left out.

    Raises RepackError for damaged data and for a compression that cannot be undone here (lzo).
    """
    name = payload_compression(payload)
    try:
        return _unpack(name, payload)
    except DAMAGED as error:
        raise RepackError(f"its payload ({name}) cannot be unpacked: {error}") from error


def _unpack(name: Payload, payload: bytes) -> bytes:
    match name:
        case "none":
            return payload
        case "gzip":
            return zlib.decompressobj(wbits=31).decompress(payload, _MOST_UNPACKED)
        case "xz":
            return lzma.LZMADecompressor(lzma.FORMAT_XZ).decompress(payload, _MOST_UNPACKED)
        case "lzma":
            return lzma.LZMADecompressor(lzma.FORMAT_ALONE).decompress(payload, _MOST_UNPACKED)
        case "bzip2":
            return bz2.BZ2Decompressor().decompress(payload, _MOST_UNPACKED)
        case "zstd":
            reader = zstandard.ZstdDecompressor(max_window_size=_MOST_UNPACKED).stream_reader(payload)
            return reader.read(_MOST_UNPACKED)
        case "lz4":
            return _lz4(payload)
        case "lzo" | "unknown":
            raise RepackError(f"its payload's compression ({name}) is not one that is known here")


def _lz4(payload: bytes) -> bytes:
    """The kernel's own form (`lz4 -l`): a magic, then blocks of 8 MiB, each behind its length; the size at the end."""
    blocks = []
    offset = 4
    total = 0
    while offset + 4 < len(payload):
        length = int.from_bytes(payload[offset : offset + 4], "little")
        block = payload[offset + 4 : offset + 4 + length]
        if len(block) != length:
            break
        blocks.append(lz4.block.decompress(block, uncompressed_size=_LZ4_BLOCK))
        total += len(blocks[-1])
        if total > _MOST_UNPACKED:
            raise RepackError("its payload unpacks to more than 512 MiB")
        offset += 4 + length
    return b"".join(blocks)
