"""An EBS snapshot from an image, without an instance: the EBS direct API.

Only blocks that hold data are sent (holes are not read, blocks of zeros are left out: unwritten blocks are zeros).
A run that was interrupted is resumed: the pending snapshot is found by its tag, and a journal says which blocks it has.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imagebuild.errors import PublishError
from imagebuild.events import Progress
from imagebuild.host.sparse import aligned_extents
from imagebuild.publish.ec2.aws import AGAIN, Clients, Refused, code_of, translated
from imagebuild.publish.ec2.bundle import Meter
from imagebuild.publish.ec2.gate import RawImage
from imagebuild.publish.ec2.requests import (
    BLOCK_BYTES,
    SHA256_TAG,
    Registration,
    copy_snapshot_request,
    start_snapshot_request,
)

if TYPE_CHECKING:
    from mypy_boto3_ebs import EBSClient

_ZERO_BLOCK = bytes(BLOCK_BYTES)
_WAIT_SECONDS = 3600.0
_SEALED_SECONDS = 600.0
_UNKNOWN_SECONDS = 30.0  # what was just made is not known everywhere at once (EC2 is eventually consistent)
# what a snapshot that takes no more blocks answers: sealed already, given up by AWS after its timeout, or deleted
_CLOSED = frozenset({"ValidationException", "ResourceNotFoundException", "ConflictException"})
Pause = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Ensured:
    """An id, and whether something had to be done for it."""

    id: str
    changed: bool


class Journal:
    """Which blocks a pending snapshot has: lines `INDEX SHA256`, appended as they arrive. Losing it costs time only."""

    def __init__(self, folder: Path, snapshot_id: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / f"{snapshot_id}.blocks"
        self.known: dict[int, str] = {}
        with contextlib.suppress(OSError):
            for line in self._path.read_text().splitlines():
                index, _, digest = line.partition(" ")
                if index.isdecimal() and len(digest) == 64:
                    self.known[int(index)] = digest

    def __enter__(self) -> Journal:
        self._file = self._path.open("a", encoding="ascii", buffering=1)
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, index: int, digest: str) -> None:
        self._file.write(f"{index} {digest}\n")

    def remove(self) -> None:
        self._path.unlink(missing_ok=True)


def ensure_snapshot(
    clients: Clients,
    image: RawImage,
    wanted: Registration,
    *,
    journals: Path,
    progress: Progress,
    meter: Meter,
    workers: int,
    pause: Pause = time.sleep,
) -> Ensured:
    """A completed snapshot of the image: found by its tag, resumed, or written. Raises PublishError."""
    finished = partial(_finished, clients, image, journals=journals, meter=meter, workers=workers, pause=pause)
    states = _found(clients, wanted.sha256)
    if done := _first(states, "completed"):
        progress.note(f"{clients.region}: snapshot {done} exists already")
        return Ensured(done, False)
    if pending := _first(states, "pending"):
        progress.note(f"{clients.region}: continuing the pending snapshot {pending}")
        if finished(pending, resumed=True):
            return Ensured(pending, True)
        progress.note(f"{clients.region}: the snapshot {pending} accepts no more blocks; starting another")
    with translated(f"starting a snapshot in {clients.region}"):
        started = clients.ebs.start_snapshot(**start_snapshot_request(wanted))["SnapshotId"]
    progress.note(f"{clients.region}: writing snapshot {started}")
    if not finished(started, resumed=False):
        raise PublishError(f"the snapshot {started} in {clients.region} was closed by AWS", resolution=AGAIN)
    return Ensured(started, True)


def ensure_copy(
    clients: Clients,
    wanted: Registration,
    source_region: str,
    snapshot_id: str,
    *,
    progress: Progress,
    pause: Pause = time.sleep,
) -> Ensured:
    """A completed copy of another region's snapshot: found by its tag, or made. Raises PublishError."""
    states = _found(clients, wanted.sha256)
    copy, changed = _first(states, "completed") or _first(states, "pending"), False
    if copy is None:
        with translated(f"copying the snapshot to {clients.region}"):
            request = copy_snapshot_request(wanted, source_region, snapshot_id)
            copy, changed = clients.ec2.copy_snapshot(**request)["SnapshotId"], True
        progress.note(f"{clients.region}: copying {snapshot_id} from {source_region} to {copy}")
    if not _wait(clients, copy, pause):
        raise PublishError(f"the copy {copy} in {clients.region} failed", resolution=f"delete it, then {AGAIN}")
    return Ensured(copy, changed)


def blocks_with_data(image: Path, size_bytes: int) -> Iterator[tuple[int, bytes]]:
    """Index and content of every block that is not all zeros; the image's last block is filled up with zeros."""
    with image.open("rb") as file:
        descriptor, following = file.fileno(), 0
        for extent in aligned_extents(descriptor, size_bytes):
            last = (extent.end - 1) // BLOCK_BYTES
            for index in range(max(following, extent.start // BLOCK_BYTES), last + 1):
                block = os.pread(descriptor, BLOCK_BYTES, index * BLOCK_BYTES).ljust(BLOCK_BYTES, b"\0")
                if block != _ZERO_BLOCK:
                    yield index, block
            following = last + 1


def most_blocks(image: Path, size_bytes: int) -> int:
    """How many blocks will be sent at most, without reading them."""
    with image.open("rb") as file:
        extents = aligned_extents(file.fileno(), size_bytes)
    touched = {
        index for extent in extents for index in range(extent.start // BLOCK_BYTES, (extent.end - 1) // BLOCK_BYTES + 1)
    }
    return len(touched)


def _found(clients: Clients, sha256: str) -> dict[str, str]:
    """Our snapshots of this image, by id, with their states, oldest first."""
    with translated(f"looking for snapshots in {clients.region}"):
        pages = clients.ec2.get_paginator("describe_snapshots").paginate(
            OwnerIds=["self"], Filters=[{"Name": f"tag:{SHA256_TAG}", "Values": [sha256]}]
        )
        snapshots: list[Any] = [snapshot for page in pages for snapshot in page["Snapshots"]]
    snapshots.sort(key=lambda snapshot: (str(snapshot.get("StartTime", "")), snapshot["SnapshotId"]))
    return {snapshot["SnapshotId"]: snapshot["State"] for snapshot in snapshots}


def _first(states: dict[str, str], state: str) -> str | None:
    return next((snapshot for snapshot, found in states.items() if found == state), None)


def _finished(
    clients: Clients,
    image: RawImage,
    snapshot_id: str,
    *,
    resumed: bool,
    journals: Path,
    meter: Meter,
    workers: int,
    pause: Pause,
) -> bool:
    """Write what is missing, seal, wait. False: the snapshot takes no more and does not become completed."""
    journal = Journal(journals, snapshot_id)
    try:
        with translated(f"writing the snapshot {snapshot_id} in {clients.region}"):
            digests = _write_blocks(clients.ebs, image, snapshot_id, journal, meter, workers)
            image.check_unchanged()
            linear = hashlib.sha256(b"".join(digests[index] for index in sorted(digests)))
            clients.ebs.complete_snapshot(
                SnapshotId=snapshot_id,
                ChangedBlocksCount=len(digests),
                Checksum=_base64(linear.digest()),
                ChecksumAlgorithm="SHA256",
                ChecksumAggregationMethod="LINEAR",
            )
    except PublishError as error:
        if code_of(error) not in _CLOSED:
            raise
        with translated(f"looking for the snapshot {snapshot_id} in {clients.region}"):
            state = _state(clients, snapshot_id)
        if state == "pending" and not resumed:
            raise  # nobody else can have sealed it
        if state == "pending":
            return _wait(clients, snapshot_id, pause, limit_seconds=_SEALED_SECONDS)  # an earlier run sealed it
        journal.remove()
        return state == "completed"
    completed = _wait(clients, snapshot_id, pause)
    journal.remove()
    return completed


def _write_blocks(
    ebs: EBSClient, image: RawImage, snapshot_id: str, journal: Journal, meter: Meter, workers: int
) -> dict[int, bytes]:
    """Send every block that the journal does not know; returns the digests of all of them by index."""
    digests: dict[int, bytes] = {}

    def put(index: int, block: bytes) -> tuple[int, bytes]:
        digest = hashlib.sha256(block).digest()
        if journal.known.get(index) != digest.hex():
            ebs.put_snapshot_block(
                SnapshotId=snapshot_id,
                BlockIndex=index,
                BlockData=block,
                DataLength=BLOCK_BYTES,
                Checksum=_base64(digest),
                ChecksumAlgorithm="SHA256",
            )
        return index, digest

    def taken(future: Future[tuple[int, bytes]]) -> None:
        index, digest = future.result()
        digests[index] = digest
        if journal.known.get(index) != digest.hex():
            journal.add(index, digest.hex())

    pending: deque[Future[tuple[int, bytes]]] = deque()
    with journal, ThreadPoolExecutor(workers, thread_name_prefix="blocks") as pool:
        try:
            for index, block in blocks_with_data(image.path, image.size_bytes):
                pending.append(pool.submit(put, index, block))
                if len(pending) >= 2 * workers:
                    taken(pending.popleft())
                meter(index * BLOCK_BYTES, image.size_bytes)
            while pending:
                taken(pending.popleft())
        finally:
            for future in pending:
                future.cancel()
    meter(image.size_bytes, image.size_bytes)
    return digests


def _state(clients: Clients, snapshot_id: str) -> str:
    """`completed`, `pending`, `error`, or `gone`."""
    try:
        found = clients.ec2.describe_snapshots(SnapshotIds=[snapshot_id])["Snapshots"]
    except Refused as error:
        if code_of(error) == "InvalidSnapshot.NotFound":
            return "gone"
        raise
    return found[0]["State"] if found else "gone"


def _wait(clients: Clients, snapshot_id: str, pause: Pause, *, limit_seconds: float = _WAIT_SECONDS) -> bool:
    """Until the snapshot is completed (True), or in error or gone (False). Raises PublishError at the limit."""
    waited, step = 0.0, 0.25
    while True:
        with translated(f"waiting for the snapshot {snapshot_id} in {clients.region}"):
            state = _state(clients, snapshot_id)
        if state == "completed":
            return True
        if state == "error" or (state == "gone" and waited > _UNKNOWN_SECONDS):
            return False
        if waited > limit_seconds:
            raise PublishError(
                f"the snapshot {snapshot_id} in {clients.region} is still pending after {waited / 60:.0f} minutes",
                resolution=AGAIN,
            )
        pause(step)
        waited += step
        step = min(step * 1.6, 15.0)


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode("ascii")
