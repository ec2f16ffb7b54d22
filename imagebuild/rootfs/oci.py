"""A container image as a root tree: from an OCI image layout to one tar archive.

Source: the OCI image specification 1.1 (image-layout.md, image-index.md, manifest.md, layer.md, descriptor.md).
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imagebuild.errors import BuildError
from imagebuild.events import Progress
from imagebuild.formats.foreign import ForeignError, json_value, shortened
from imagebuild.formats.text import escaped, excerpt
from imagebuild.plan.steps import TakeOci
from imagebuild.recipe.named_file import open_named, read_whole
from imagebuild.rootfs.oci_layers import merge_layers

_ARCHITECTURES = {"x86_64": "amd64", "i386": "386"}  # as Go, and so OCI, calls them
_REF_NAME = "org.opencontainers.image.ref.name"
_INDEXES = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")
_LAYER = re.compile(
    r"application/vnd\.(oci\.image\.layer\.v1\.tar|oci\.image\.layer\.nondistributable\.v1\.tar"
    r"|docker\.image\.rootfs\.diff\.tar|docker\.image\.rootfs\.foreign\.diff\.tar)([+.](gzip|zstd))?"
)
_DIGEST = re.compile(r"(?P<algorithm>sha256|sha512):(?P<digits>[0-9a-f]{64}|[0-9a-f]{128})")
_COPY_AGAIN = "copy the complete layout again (skopeo copy, or podman save --format oci-dir)"
_MOST_JSON_BYTES = 4 * 2**20
_MOST_INDEXES = 100
_MOST_LAYERS = 1000


@dataclass(frozen=True, slots=True)
class OciImage:
    """One image of a layout: its layers' blobs, lowest first, and the digest of its manifest."""

    layers: tuple[Path, ...]
    manifest_digest: str


def find_image(step: TakeOci, layout: Path) -> OciImage:
    """The image of the step's tag and architecture; every blob that it needs is checked against its digest.

    Raises BuildError when there is none, or several, or when a blob is missing or damaged.
    """
    marker = _json(layout / "oci-layout", "oci-layout")
    if str(marker.get("imageLayoutVersion", "")).split(".")[0] != "1":
        raise BuildError(f"rootfs.oci: {layout.name}/oci-layout names no version 1 of the image layout")
    candidates = _manifests(layout, _json(layout / "index.json", "index.json"), step)
    wanted = f"for {_ARCHITECTURES[step.architecture]}" + (f" with the tag {step.tag}" if step.tag else "")
    if not candidates:
        raise BuildError(
            f"rootfs.oci: {layout.name} contains no image {wanted}", resolution=f"it contains: {_listed(layout)}"
        )
    digests = {str(candidate.get("digest")) for candidate in candidates}
    if len(digests) > 1:
        raise BuildError(
            f"rootfs.oci: {layout.name} holds {len(digests)} images {wanted}",
            resolution=f"name one by its tag: oci: {{path: …, tag: …}}; it contains: {_listed(layout)}",
        )
    manifest = _json(_blob(layout, candidates[0]), "the manifest")
    _check_platform(layout, manifest, step)
    listed = manifest.get("layers")
    if not isinstance(listed, list) or not 0 < len(listed) <= _MOST_LAYERS:
        number = f"{len(listed)} layers" if isinstance(listed, list) else "no list of layers"
        raise BuildError(f"rootfs.oci: the image has {number}", resolution=f"1 to {_MOST_LAYERS} are supported")
    layers = [_layer(layout, descriptor) for descriptor in listed]
    return OciImage(tuple(layers), digests.pop())


def pack_image(image: OciImage, archive: Path, progress: Progress) -> None:
    """All layers as one tar archive, whiteouts carried out. Raises BuildError."""
    progress.log(f"merging {len(image.layers)} layers of {image.manifest_digest}")
    merge_layers(image.layers, archive)


def _manifests(layout: Path, index: dict[str, Any], step: TakeOci) -> list[dict[str, Any]]:
    """The descriptors of all manifests that fit, through indexes of indexes."""
    found = []
    waiting = [(descriptor, False) for descriptor in _descriptors(index)]
    seen = 0
    while waiting:
        descriptor, inside = waiting.pop(0)
        # A tag stands in index.json itself; an index under it is one image for several architectures.
        if not inside and step.tag is not None and _annotated(descriptor) != step.tag:
            continue
        if descriptor.get("mediaType") in _INDEXES:
            seen += 1
            if seen > _MOST_INDEXES:
                raise BuildError(f"rootfs.oci: {layout.name} holds more than {_MOST_INDEXES} indexes")
            below = _descriptors(_json(_blob(layout, descriptor), "an index"))
            waiting += [(other, True) for other in below]
        elif _fits(descriptor.get("platform"), step):
            found.append(descriptor)
    return found


def _descriptors(index: dict[str, Any]) -> list[dict[str, Any]]:
    manifests = index.get("manifests")
    if not isinstance(manifests, list) or not all(isinstance(item, dict) for item in manifests):
        raise BuildError("rootfs.oci: an index has no list of manifests")
    return manifests


def _fits(platform: Any, step: TakeOci) -> bool:
    """A descriptor without a platform may fit: the image's configuration tells (`_check_platform`)."""
    if not isinstance(platform, dict):
        return True
    return platform.get("os") == "linux" and platform.get("architecture") == _ARCHITECTURES[step.architecture]


def _check_platform(layout: Path, manifest: dict[str, Any], step: TakeOci) -> None:
    descriptor = manifest.get("config")
    if not isinstance(descriptor, dict):
        raise BuildError("rootfs.oci: the manifest names no configuration")
    config = _json(_blob(layout, descriptor), "the image's configuration")
    found = config.get("architecture", _ARCHITECTURES[step.architecture])
    if found != _ARCHITECTURES[step.architecture]:
        raise BuildError(
            f"rootfs.oci: the image is for {excerpt(str(found), 40)}, the recipe for {step.architecture}",
            resolution=f"set architecture, or name another image; the layout holds: {_listed(layout)}",
        )


def _layer(layout: Path, descriptor: Any) -> Path:
    media_type = descriptor.get("mediaType") if isinstance(descriptor, dict) else None
    if not _LAYER.fullmatch(str(media_type)):
        raise BuildError(
            f"rootfs.oci: a layer has the media type {excerpt(str(media_type), 80)}",
            resolution="layers are tar archives, plain or compressed with gzip or zstd; decrypt others first",
        )
    return _blob(layout, descriptor)


def _blob(layout: Path, descriptor: dict[str, Any]) -> Path:
    """The blob's file, after its size and digest were found right."""
    digest, size = str(descriptor.get("digest")), descriptor.get("size")
    match = _DIGEST.fullmatch(digest)
    if match is None:
        raise BuildError(f"rootfs.oci: {shortened(digest)} is not a known digest (sha256, sha512)")
    path = layout / "blobs" / match["algorithm"] / match["digits"]
    try:
        with open_named(path) as file:
            found_size = os.fstat(file.fileno()).st_size
            found = hashlib.file_digest(file, match["algorithm"]).hexdigest()
    except OSError as error:
        raise BuildError(
            f"rootfs.oci: blob {digest} cannot be read: {error.strerror}",
            resolution=_COPY_AGAIN,
        ) from error
    if found != match["digits"] or found_size != size:
        raise BuildError(
            f"rootfs.oci: blob {digest} is damaged",
            details=f"it has {found_size} bytes of {size}, and the digest {found}",
            resolution=_COPY_AGAIN,
        )
    return path


def _json(path: Path, what: str) -> dict[str, Any]:
    try:
        value = json_value(read_whole(path, _MOST_JSON_BYTES))
    except OSError as error:
        raise BuildError(
            f"rootfs.oci: {escaped(str(path))} cannot be read: {error.strerror}",
            resolution="name the directory of an OCI image layout, with oci-layout, index.json and blobs/",
        ) from error
    except ForeignError as error:
        raise BuildError(f"rootfs.oci: {what} is {error}", resolution=_COPY_AGAIN) from error
    return _object(value, what)


def _object(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BuildError(f"rootfs.oci: {what} is not a JSON object", resolution=_COPY_AGAIN)
    return value


def _annotated(descriptor: dict[str, Any]) -> str | None:
    """The tag that stands in a descriptor of index.json; None: none."""
    annotations = descriptor.get("annotations")
    tag = annotations.get(_REF_NAME) if isinstance(annotations, dict) else None
    return tag if isinstance(tag, str) else None


def _listed(layout: Path) -> str:
    """What the layout holds, for messages."""
    found = []
    for descriptor in _descriptors(_json(layout / "index.json", "index.json")):
        tag = escaped(_annotated(descriptor) or "no tag")
        platform = descriptor.get("platform")
        architecture = platform.get("architecture") if isinstance(platform, dict) else None
        kind = "several architectures" if descriptor.get("mediaType") in _INDEXES else architecture
        found.append(f"{tag} ({excerpt(str(kind), 40)})" if kind else tag)
    return ", ".join(found) or "nothing"
