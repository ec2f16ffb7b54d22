"""What an image is made of, in the two languages that tools read: SPDX 2.3 and CycloneDX 1.6, by their own libraries.

Of each package: name, version, architecture, the digest of its .deb where the archive's index told it, and a package
URL. Licences are not told: dpkg does not know them.
"""

from __future__ import annotations

import json
import tempfile
import uuid
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from imagebuild import __version__
from imagebuild.formats.text import json_text
from imagebuild.report import ImageFacts
from imagebuild.rootfs.packages import Package, Packages

if TYPE_CHECKING:
    from packageurl import PackageURL

_NAMESPACE = uuid.UUID("6f1d8f0e-6f0e-5f43-9d0c-3a3a6f3c9a55")  # ours, once drawn


@dataclass(frozen=True, slots=True)
class Contents:
    """What both documents say. `suite`: the Debian release, where it is known."""

    name: str
    version: str | None
    image: ImageFacts
    packages: Packages
    made: datetime
    suite: str | None = None

    @property
    def identity(self) -> uuid.UUID:
        """The same for the same image."""
        return uuid.uuid5(_NAMESPACE, self.image.sha256)


def package_url(package: Package, contents: Contents) -> PackageURL:
    """pkg:deb/debian/NAME@VERSION?arch=…&distro=…, pkg:rpm/fedora/NAME@VERSION?arch=…&epoch=… (purl-spec's types)."""
    from packageurl import PackageURL

    family = contents.packages.family
    vendor = None if family == "unknown" else family
    qualifiers = {"arch": package.architecture} | ({"distro": contents.suite} if contents.suite else {})
    version = package.version
    if package.ecosystem == "rpm" and ":" in version:  # an rpm's epoch is a qualifier, a .deb's a part of the version
        qualifiers["epoch"], _, version = version.partition(":")
    return PackageURL(package.ecosystem, vendor, package.name, version, qualifiers)


def cyclonedx_text(contents: Contents) -> str:
    """sbom.cdx.json."""
    from cyclonedx.model import HashAlgorithm, HashType
    from cyclonedx.model.bom import Bom, BomMetaData
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.output import make_outputter
    from cyclonedx.schema import OutputFormat, SchemaVersion

    def digest(value: str) -> HashType:
        return HashType(alg=HashAlgorithm.SHA_256, content=value)

    image = Component(
        name=contents.name, version=contents.version, type=ComponentType.OPERATING_SYSTEM, bom_ref="image",
        hashes=[digest(contents.image.sha256)],
    )  # fmt: skip
    tool = Component(name="imagebuild", version=__version__, type=ComponentType.APPLICATION, bom_ref="imagebuild")
    metadata = BomMetaData(component=image, timestamp=contents.made)
    metadata.tools.components.add(tool)
    components = []
    for package in contents.packages.packages:
        url = package_url(package, contents)
        hashes = [digest(package.sha256)] if package.sha256 else []
        components.append(
            Component(name=package.name, version=package.version, purl=url, bom_ref=str(url), hashes=hashes)
        )
    bom = Bom(components=components, metadata=metadata, serial_number=contents.identity)
    bom.register_dependency(image, components)
    text = make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=2)
    return text + "\n"


def spdx_text(contents: Contents) -> str:
    """sbom.spdx.json. Raises ValueError should the library find the document wrong."""
    from spdx_tools.spdx.model.actor import Actor, ActorType
    from spdx_tools.spdx.model.checksum import Checksum, ChecksumAlgorithm
    from spdx_tools.spdx.model.document import CreationInfo, Document
    from spdx_tools.spdx.model.package import (
        ExternalPackageRef,
        ExternalPackageRefCategory,
        Package,
        PackagePurpose,
    )
    from spdx_tools.spdx.model.relationship import Relationship, RelationshipType
    from spdx_tools.spdx.model.spdx_no_assertion import SpdxNoAssertion
    from spdx_tools.spdx.writer.json.json_writer import write_document_to_file

    def checksums(sha256: str | None) -> list[Checksum]:
        return [Checksum(ChecksumAlgorithm.SHA256, sha256)] if sha256 else []

    image = Package(
        spdx_id="SPDXRef-Image", name=contents.name, version=contents.version, download_location=SpdxNoAssertion(),
        files_analyzed=False, checksums=checksums(contents.image.sha256),
        primary_package_purpose=PackagePurpose.OPERATING_SYSTEM, file_name=contents.image.path,
    )  # fmt: skip
    packages = [image]
    relations = [Relationship("SPDXRef-DOCUMENT", RelationshipType.DESCRIBES, "SPDXRef-Image")]
    for number, package in enumerate(contents.packages.packages):
        url = package_url(package, contents).to_string()
        reference = ExternalPackageRef(ExternalPackageRefCategory.PACKAGE_MANAGER, "purl", url)
        identity = f"SPDXRef-Package-{number}"
        packages.append(
            Package(
                spdx_id=identity, name=package.name, version=package.version, download_location=SpdxNoAssertion(),
                files_analyzed=False, checksums=checksums(package.sha256), external_references=[reference],
            )
        )  # fmt: skip
        relations.append(Relationship("SPDXRef-Image", RelationshipType.CONTAINS, identity))
    document = Document(
        CreationInfo(
            spdx_version="SPDX-2.3", spdx_id="SPDXRef-DOCUMENT", name=contents.name,
            document_namespace=f"urn:uuid:{contents.identity}", created=contents.made.replace(tzinfo=None),
            creators=[Actor(ActorType.TOOL, f"imagebuild-{__version__}")],
        ),
        packages=packages,
        relationships=relations,
    )  # fmt: skip
    with tempfile.NamedTemporaryFile(suffix=".json") as file:  # the library writes to a name
        write_document_to_file(document, file.name, validate=True)
        return json_text(json.dumps(json.loads(Path(file.name).read_bytes()), indent=2, ensure_ascii=False)) + "\n"
