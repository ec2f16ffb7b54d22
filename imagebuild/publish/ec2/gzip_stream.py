"""gzip, with several cores and in order: one member of RFC 1952, whose deflate blocks are made in parallel.

As pigz does it: the input is cut into pieces of fixed size, each is deflated on its own with the 32 KiB before it as
its dictionary and ended by a sync flush, and the joined results are one valid deflate stream. zlib releases Python's
lock, so threads are enough. The output depends on the input alone, not on the number of threads.
"""

from __future__ import annotations

import struct
import zlib
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

PIECE_BYTES = 1 << 20
_WINDOW_BYTES = 32 * 1024
_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03"  # deflate, no name, no time, made on Unix
LEVEL = 6


def compressed(pieces: Iterable[bytes], *, workers: int) -> Iterator[bytes]:
    """The gzip member for the joined pieces, in chunks. Holds at most some `4 * workers` pieces in memory."""
    yield _HEADER
    checksum, length, window = 0, 0, b""
    pending: deque[Future[bytes]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="deflate") as pool:
        try:
            for piece in _of_fixed_size(pieces):
                checksum = zlib.crc32(piece, checksum)
                length += len(piece)
                pending.append(pool.submit(_deflated, piece, window))
                window = piece[-_WINDOW_BYTES:]
                while len(pending) > 2 * workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
    # an empty last block ends the stream: the pieces need not know which of them is the last
    yield b"\x03\x00" + struct.pack("<II", checksum, length & 0xFFFFFFFF)


def _deflated(piece: bytes, dictionary: bytes) -> bytes:
    if dictionary:
        deflate = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS, zdict=dictionary)
    else:
        deflate = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    return deflate.compress(piece) + deflate.flush(zlib.Z_SYNC_FLUSH)


def _of_fixed_size(pieces: Iterable[bytes]) -> Iterator[bytes]:
    buffer = bytearray()
    for piece in pieces:
        if not buffer and len(piece) == PIECE_BYTES:
            yield piece
            continue
        buffer += piece
        while len(buffer) >= PIECE_BYTES:
            yield bytes(buffer[:PIECE_BYTES])
            del buffer[:PIECE_BYTES]
    if buffer:
        yield bytes(buffer)


def decompressed(chunks: Iterable[bytes], *, most_bytes: int = 1 << 20) -> Iterator[bytes]:
    """The content of one or several gzip members, in pieces of at most `most_bytes`.

    Raises zlib.error for what is no gzip stream, EOFError when it ends too early. Zero bytes behind it are ignored.
    """
    inflate = zlib.decompressobj(wbits=31)
    for chunk in chunks:
        # small slices: what zlib does not take at once is copied at each call
        for start in range(0, len(chunk), 65536):
            data = chunk[start : start + 65536]
            while data:
                if inflate.eof:
                    if not (data := data.lstrip(b"\0")):
                        break
                    inflate = zlib.decompressobj(wbits=31)
                piece = inflate.decompress(data, most_bytes)
                if piece:
                    yield piece
                data = inflate.unused_data if inflate.eof else inflate.unconsumed_tail
    while not inflate.eof:
        piece = inflate.decompress(b"", most_bytes)
        if not piece:
            raise EOFError("the compressed stream ends too early")
        yield piece
