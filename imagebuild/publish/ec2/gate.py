"""No image is published without a passing report about that very sha256."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from imagebuild.errors import PublishError
from imagebuild.formats.first_sectors import NEEDED_BYTES, FirstSectors, read_first_sectors
from imagebuild.formats.image_format import image_format
from imagebuild.host.digest import image_sha256
from imagebuild.publish.ec2.bundle import Meter
from imagebuild.recipe.named_file import open_named, read_whole
from imagebuild.report import MOST_REPORT_BYTES, Report, Verdict


@dataclass(frozen=True, slots=True)
class RawImage:
    """A raw image at rest. `stamp` tells whether it was changed since (size and time of change)."""

    path: Path
    sha256: str
    size_bytes: int
    sectors: FirstSectors
    stamp: tuple[int, int, int]

    def check_unchanged(self) -> None:
        """Raises PublishError when the file is not the one whose sha256 was taken."""
        if _stamp(self.path) != self.stamp:
            raise PublishError(
                f"{self.path} changed while it was published",
                resolution="run this again while nothing writes to the image",
            )


def look_at(path: Path) -> tuple[FirstSectors, int]:
    """Partition table and size in bytes of a raw image. Raises PublishError when it cannot be read, or is none."""
    try:
        with open_named(path) as file:
            head = file.read(NEEDED_BYTES)
            size = os.fstat(file.fileno()).st_size
    except OSError as error:
        raise PublishError(f"{path} cannot be read: {error.strerror}", resolution="check the path") from error
    found = image_format(head, b"", size)
    if found.driver != "raw":
        raise PublishError(
            f"{path} is {found.shown}: EC2 accepts only raw images",
            resolution=f"convert it (qemu-img convert -O raw {path} IMAGE.raw), verify and publish that one",
        )
    if size == 0:
        raise PublishError(f"{path} is empty", resolution="give a raw disk image")
    return read_first_sectors(head, size), size


def take_sha256(path: Path, *, meter: Meter = lambda done, total: None) -> RawImage:
    """Look at the image and take its sha256; holes are hashed without being read."""
    sectors, size = look_at(path)
    stamp = _stamp(path)
    image = RawImage(path, image_sha256(path, meter=meter), size, sectors, stamp)
    image.check_unchanged()
    return image


def find_report(image: Path) -> Path:
    """Where imagebuild leaves the report: in IMAGE.verify, here or beside the image (verify), or beside it (build).

    Raises PublishError when there is none.
    """
    verified = f"{image.name}.verify"
    for path in (Path(verified, "report.json"), image.parent / verified / "report.json", image.parent / "report.json"):
        if path.is_file():
            return path
    raise PublishError(
        f"there is no report about {image}: it was not verified",
        resolution=f"run: imagebuild verify {image} (or publish anyway with --unverified)",
    )


def check_report(image: RawImage, path: Path) -> Report:
    """Raises PublishError unless the report is about this sha256 and says `passed`."""
    try:
        report = Report.model_validate_json(read_whole(path, MOST_REPORT_BYTES))
    except OSError as error:
        raise PublishError(f"{path} cannot be read: {error.strerror}", resolution="check the path") from error
    except ValidationError as error:
        raise PublishError(
            f"{path} is no report of imagebuild ({error.error_count()} problems)",
            resolution=f"run: imagebuild verify {image.path}",
        ) from None
    if report.image.sha256 != image.sha256:
        raise PublishError(
            f"the report {path} is about another image",
            details=f"sha256 in the report: {report.image.sha256}\nsha256 of the image:  {image.sha256}",
            resolution=f"run: imagebuild verify {image.path} (or publish anyway with --unverified)",
        )
    if report.verdict is not Verdict.PASSED:
        failed = "\n".join(f"{check.machine} {check.name}: {check.detail}" for check in report.failed())
        raise PublishError(
            f"the image did not pass its verification: {report.verdict}",
            details=failed,
            resolution="fix the image and verify it again (or publish anyway with --unverified)",
        )
    return report


def _stamp(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns, found.st_ino
