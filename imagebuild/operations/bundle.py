"""An image as an EC2 bundle, and back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from imagebuild.errors import PublishError
from imagebuild.events import Progress, stage
from imagebuild.host.cache import Cache
from imagebuild.publish.ec2 import aki, bundle, gate, keys, manifest, requests, unbundle
from imagebuild.publish.ec2.aki import ImageKind
from imagebuild.publish.ec2.bundle import Meter
from imagebuild.publish.ec2.image_kind import image_kind
from imagebuild.vocabulary import Architecture


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleRequest:
    """`prefix` None: the image's file name; `architecture` None: the kernel's. `mappings`: VIRTUAL=DEVICE."""

    image: Path
    account: str
    certificate: Path
    private_key: Path
    ec2_certificate: Path
    folder: Path
    prefix: str | None = None
    architecture: Architecture | None = None
    kernel_id: str | None = None
    ramdisk_id: str | None = None
    mappings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class UnbundleRequest:
    """`folder` None: the working directory."""

    manifest: Path
    private_key: Path
    folder: Path | None = None


def make_bundle(request: BundleRequest, cache: Cache, progress: Progress, meter: Meter) -> Path:
    """Write the bundle; returns its manifest's path. Raises PublishError."""
    aki.refuse_ramdisk(request.ramdisk_id)
    mappings = tuple(requests.parse_mapping(text) for text in request.mappings)
    account = manifest.check_account(request.account)
    prefix = manifest.check_prefix(request.prefix or request.image.name)
    loaded = keys.load_keys(
        private_key=request.private_key, certificate=request.certificate, ec2_certificate=request.ec2_certificate
    )
    gate.look_at(request.image)
    kind = image_kind(request.image, request.architecture, cache, progress)
    if request.kernel_id:
        _check_kernel(request.kernel_id, kind, progress)
    machine = manifest.Machine(kind.architecture, request.kernel_id, None, mappings)
    content = bundle.BundleContent(request.image, request.folder, prefix, account, machine)
    with stage(progress, "bundle"):
        written = bundle.write_bundle(content, loaded, meter=meter)
    progress.note(f"{len(written.manifest.parts)} parts, {written.manifest.bundled_bytes} bytes")
    return written.manifest_path


def _check_kernel(kernel_id: str, kind: ImageKind, progress: Progress) -> None:
    """An id of the table must fit the image; another is taken as it is, and reported as unknown."""
    known = next((row for row in aki.table() if row.id == kernel_id), None)
    if known is None:
        progress.note(f"warning: {kernel_id} is not in imagebuild's table of AKIs: it was not checked")
    else:
        aki.check(kernel_id, kind, known.region)


def read_bundle(request: UnbundleRequest, progress: Progress, meter: Meter) -> Path:
    """Write the bundle's image; returns its path. Raises PublishError."""
    private = keys.load_private_key(request.private_key)
    name = unbundle.open_manifest(request.manifest).manifest.name
    target = (request.folder or Path()) / name
    if target.exists():
        raise PublishError(f"{target} exists already", resolution="remove it, or choose another directory with -d")
    with stage(progress, "unbundle"):
        unbundle.read_bundle(request.manifest, private, target, meter=meter)
    return target
