"""Writes small OCI image layouts."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import zstandard

MANIFEST, INDEX = "application/vnd.oci.image.manifest.v1+json", "application/vnd.oci.image.index.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
Members = list[tuple[tarfile.TarInfo, bytes]]


def file(name: str, content: bytes = b"", **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    return entry(name, tarfile.REGTYPE, content, **fields)


def entry(name: str, kind: bytes, content: bytes = b"", **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.mtime = kind, 0o755 if kind == tarfile.DIRTYPE else 0o644, 1_600_000_000
    for field, value in fields.items():
        setattr(info, field, value)
    info.size = len(content)
    return info, content


def layer_bytes(members: Members) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(
        fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT, encoding="utf-8", errors="surrogateescape"
    ) as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def put_blob(layout: Path, data: bytes, media_type: str, **more: Any) -> dict[str, Any]:
    digest = hashlib.sha256(data).hexdigest()
    folder = layout / "blobs" / "sha256"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / digest).write_bytes(data)
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data), **more}


def put_json(layout: Path, value: Any, media_type: str, **more: Any) -> dict[str, Any]:
    return put_blob(layout, json.dumps(value).encode(), media_type, **more)


def put_image(layout: Path, layers: list[Members], architecture: str = "amd64", **more: Any) -> dict[str, Any]:
    """Layers are stored plain, gzip and zstd in turn. Returns the manifest's descriptor."""
    packers = (
        (lambda data: data, ""), (lambda data: gzip.compress(data, mtime=0), "+gzip"),
        (zstandard.ZstdCompressor().compress, "+zstd"),
    )  # fmt: skip
    descriptors = []
    for number, members in enumerate(layers):
        pack, suffix = packers[number % 3]
        descriptors.append(put_blob(layout, pack(layer_bytes(members)), LAYER + suffix))
    config = put_json(layout, {"architecture": architecture, "os": "linux"}, "application/vnd.oci.image.config.v1+json")
    return put_json(layout, {"schemaVersion": 2, "config": config, "layers": descriptors}, MANIFEST, **more)


def write_layout(layout: Path, manifests: list[dict[str, Any]]) -> Path:
    (layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": manifests}))
    return layout


def tagged(descriptor: dict[str, Any], tag: str) -> dict[str, Any]:
    return {**descriptor, "annotations": {"org.opencontainers.image.ref.name": tag}}
