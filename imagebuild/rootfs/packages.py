"""Which packages a tree holds, with the digest of each where the archive's index told it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import BaseModel, ConfigDict

from imagebuild.formats.foreign import number_or_none

DPKG_STATUS = "var/lib/dpkg/status"


class Package(BaseModel):
    """One installed package. `sha256` and `size_bytes` are its file's; None when no index was at hand.

    `ecosystem`: whose database lists it, dpkg's or rpm's.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    version: str
    architecture: str
    sha256: str | None = None
    size_bytes: int | None = None
    ecosystem: Literal["deb", "rpm"] = "deb"


class Packages(BaseModel):
    """packages.json. `tree` is the digest of the root tree's source, `packages` sorted by name.

    `note`: why the list is empty, when the tree has packages that cannot be listed. `family`: the distribution's, as
    families/ names it; "unknown" where the tree does not say.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    tree: str
    packages: tuple[Package, ...]
    note: str = ""
    family: str = "debian"


def installed_packages(status: str, index: str = "") -> tuple[Package, ...]:
    """From dpkg's status file (dpkg-query(1)) and the archive's index of the same packages (apt-cache(8), show)."""
    files = {
        (fields.get("package"), fields.get("version"), fields.get("architecture")): fields
        for fields in stanzas(index)
        if "sha256" in fields
    }
    found = []
    for fields in stanzas(status):
        if fields.get("status", "").split()[-1:] != ["installed"]:
            continue
        key = (fields["package"], fields.get("version", ""), fields.get("architecture", ""))
        file = files.get(key, {})
        size = number_or_none(file.get("size", ""))
        found.append(
            Package(name=key[0], version=key[1], architecture=key[2], sha256=file.get("sha256"), size_bytes=size)
        )
    return tuple(sorted(found, key=lambda package: (package.name, package.architecture)))


def stanzas(text: str) -> Iterator[dict[str, str]]:
    """deb822's single-line fields (deb822(5)), names in lower case; continuation lines are not needed here."""
    fields: dict[str, str] = {}
    for line in text.splitlines():
        if not line.strip():
            if "package" in fields:
                yield fields
            fields = {}
        elif not line[0].isspace():
            name, _, value = line.partition(":")
            fields.setdefault(name.lower(), value.strip())
    if "package" in fields:
        yield fields
