"""The recipe's rootfs section: where the image's file tree comes from."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from imagebuild.recipe.words import Model, PackageName, Sha256, text

FileName = Annotated[str, Field(min_length=1)]


class Debian(Model):
    """A Debian tree, bootstrapped with mmdebstrap."""

    suite: Annotated[str, text(r"^[a-z][a-z0-9.-]*$", "a suite is a code name such as bookworm", examples=["bookworm"])]
    """The release's code name."""
    variant: Literal["essential", "apt", "required", "minbase", "important", "standard"] = "minbase"
    """How much is installed beside `packages` (mmdebstrap's variants)."""
    mirror: (
        Annotated[
            str, text(r"^(https?|file|copy)://\S+$", "a mirror starts with http://, https://, file:// or copy://")
        ]
        | None
    ) = None
    """The archive's URL. Left out: the machine's own apt sources."""
    components: tuple[
        Annotated[str, text(r"^[a-z0-9-]+$", "a component is a word in lower case, such as main")], ...
    ] = ("main",)
    """The archive's components."""
    packages: tuple[PackageName, ...] = ()
    """Packages to install, kernel and init included."""


class Tar(Model):
    """A finished tree, as a tar archive."""

    path: FileName
    """The archive: .tar, or compressed with gzip, bzip2, xz, lzma or zstd."""
    sha256: Sha256 | None = None
    """Its digest; the build refuses any other file."""


class DiskImage(Model):
    """The tree inside an existing disk image."""

    path: FileName
    """The image: raw, qcow2 or vmdk, in one file."""
    sha256: Sha256 | None = None
    """Its digest; the build refuses any other file."""
    root: (
        Annotated[
            str,
            text(
                r"^/dev/\S+$", "a device of the image is /dev/sda, /dev/sda1 …, or /dev/VG/LV", examples=["/dev/sda2"]
            ),
        ]
        | None
    ) = None
    """The root filesystem's device. Left out: found; needed when several filesystems look like one."""


class OciLayout(Model):
    """The tree of a container image, from an OCI image layout."""

    path: FileName
    """The layout's directory, with index.json and blobs/."""
    tag: Annotated[str, text(r"^\S+$", "a tag must not contain white space", examples=["latest"])] | None = None
    """Which image, when the layout holds several."""


def _path(value: Any) -> Any:
    return {"path": value} if isinstance(value, str) else value


class Rootfs(Model):
    """Where the file tree comes from: exactly one source."""

    debian: Debian | None = None
    tar: Annotated[Tar, BeforeValidator(_path, json_schema_input_type=str | Tar)] | None = None
    directory: FileName | None = None
    """Directory of the tree. Root keeps the owners; an ordinary user's own files become root's."""
    image: Annotated[DiskImage, BeforeValidator(_path, json_schema_input_type=str | DiskImage)] | None = None
    oci: Annotated[OciLayout, BeforeValidator(_path, json_schema_input_type=str | OciLayout)] | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Rootfs:
        given = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(given) != 1:
            *first, last = type(self).model_fields
            found = " and ".join(given) if given else "none"
            raise ValueError(f"exactly one source is needed ({', '.join(first)} or {last}), found {found}")
        return self
