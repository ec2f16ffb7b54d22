"""What EC2 must know of an image: its partition table, and the architecture of the kernel that its menu boots."""

from __future__ import annotations

from pathlib import Path

from imagebuild import testhost
from imagebuild.errors import PublishError
from imagebuild.events import Progress
from imagebuild.formats.bzimage import read_kernel
from imagebuild.formats.first_sectors import TableKind
from imagebuild.host.cache import Cache
from imagebuild.host.scratch import scratch_folder
from imagebuild.image.boot_files import NoEntry, default_entry_files
from imagebuild.image.subject import open_subject
from imagebuild.publish.ec2.aki import ImageKind
from imagebuild.publish.ec2.gate import look_at
from imagebuild.vocabulary import Architecture


def image_kind(image: Path, architecture: Architecture | None, cache: Cache, progress: Progress) -> ImageKind:
    """Look into the image. `architecture`: what the user says it is; the kernel knows better.

    Raises PublishError when `architecture` is another than the kernel's, or when neither can be found out.
    """
    table, found, reason = _facts(image, cache)
    if found is None and architecture is None:
        raise PublishError(
            f"the architecture of {image} cannot be determined: {reason}",
            resolution="give it with --arch x86_64 or --arch i386",
        )
    if found is None:
        progress.note(f"the image's kernel was not found ({reason}): taking the given architecture, {architecture}")
    kind = ImageKind(table, found or architecture or "x86_64")
    if architecture is not None and architecture != kind.architecture:
        raise PublishError(
            f"the image's kernel is {kind.architecture}, not {architecture}",
            details="the architectures of the kernel, of the AKI and of the AMI must agree",
            resolution="leave --arch out",
        )
    return kind


def _facts(image: Path, cache: Cache) -> tuple[TableKind, Architecture | None, str]:
    """Partition table, the kernel's architecture if it can be read, and else why not."""
    if not image.is_file():
        raise PublishError(f"there is no image {image}", resolution="name a raw disk image")
    host = testhost.find(cache)
    with scratch_folder() as scratch:
        tools = host.tools if host else testhost.Tools(scratch / "none")
        with open_subject(image, tools, scratch) as subject:
            sectors, _ = look_at(subject.raw)
            files = default_entry_files(subject)
    if isinstance(files, NoEntry):
        return sectors.table, None, files.reason
    kernel = read_kernel(files.kernel)
    if kernel is None:
        return sectors.table, None, f"the entry {files.title!r} names no Linux kernel for x86"
    return sectors.table, kernel.architecture, ""
