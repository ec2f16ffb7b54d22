"""A bundle into an S3 bucket: parts in parallel, each with its SHA-256, the manifest last. What is there is kept."""

from __future__ import annotations

import base64
import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from imagebuild.errors import PublishError
from imagebuild.events import Progress
from imagebuild.publish.ec2.aws import Clients, Refused, code_of, translated
from imagebuild.publish.ec2.bundle import Bundle, Meter

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# EC2's own account reads the bundle: this canned access control list is what ec2-upload-bundle sets
_ACL: Literal["aws-exec-read"] = "aws-exec-read"


def split_bucket(text: str) -> tuple[str, str]:
    """`BUCKET[/FOLDER]` → bucket and key prefix (empty, or ending in a slash)."""
    bucket, _, folder = text.partition("/")
    if not bucket:
        raise PublishError(f"{text!r} names no bucket", resolution="write --bucket BUCKET or BUCKET/PREFIX")
    folder = folder.strip("/")
    return bucket, f"{folder}/" if folder else ""


def upload_bundle(
    clients: Clients, bundle: Bundle, where: str, *, progress: Progress, meter: Meter, workers: int
) -> str:
    """Upload what is missing and return the ImageLocation (`bucket/…manifest.xml`). Raises PublishError.

    `where` is `BUCKET[/FOLDER]`. Memory: one part of 10 MiB for each worker.
    """
    bucket, prefix = split_bucket(where)
    folder, manifest = bundle.manifest_path.parent, bundle.manifest
    with translated(f"reading the bucket {bucket}"):
        clients.s3.head_bucket(Bucket=bucket)
    done, sent = 0, 0
    with translated(f"uploading to the bucket {bucket}"):
        with ThreadPoolExecutor(workers, thread_name_prefix="upload") as pool:
            paths = [folder / part.filename for part in manifest.parts]
            futures = [pool.submit(_ensure_object, clients.s3, bucket, prefix, path) for path in paths]
            try:
                for future in futures:
                    length, new = future.result()
                    done, sent = done + length, sent + new
                    meter(done, manifest.bundled_bytes)
            finally:
                for future in futures:
                    future.cancel()
        _, new = _ensure_object(clients.s3, bucket, prefix, bundle.manifest_path)
    progress.note(f"{clients.region}: {sent + new} of {len(paths) + 1} objects uploaded to {bucket}")
    return f"{bucket}/{prefix}{bundle.manifest_path.name}"


def _ensure_object(s3: S3Client, bucket: str, prefix: str, path: Path) -> tuple[int, bool]:
    """Length in bytes, and whether it had to be sent."""
    data = path.read_bytes()
    checksum = base64.b64encode(hashlib.sha256(data).digest()).decode("ascii")
    key = prefix + path.name
    if _is_there(s3, bucket, key, len(data), checksum):
        return len(data), False
    s3.put_object(Bucket=bucket, Key=key, Body=data, ACL=_ACL, ChecksumAlgorithm="SHA256", ChecksumSHA256=checksum)
    return len(data), True


def _is_there(s3: S3Client, bucket: str, key: str, length: int, checksum: str) -> bool:
    try:
        found = s3.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
    except Refused as error:
        if code_of(error) in ("404", "NoSuchKey", "NotFound"):
            return False
        raise
    return found["ContentLength"] == length and found.get("ChecksumSHA256") == checksum
