"""`bundle` and `unbundle`: an image as an EC2 bundle, and back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from imagebuild.errors import OK, PublishError

if TYPE_CHECKING:
    from imagebuild.cli.ec2_output import Teller
    from imagebuild.publish.ec2.aki import ImageKind


@dataclass(frozen=True, slots=True)
class BundleWords:
    """The words of the command line."""

    image: Path
    account: str
    certificate: Path
    private_key: Path
    ec2_certificate: Path
    folder: Path
    prefix: str | None = None
    architecture: str | None = None
    kernel_id: str | None = None
    ramdisk_id: str | None = None
    mappings: tuple[str, ...] = ()


def bundle_image(words: BundleWords) -> int:
    """Write the bundle and print its manifest's path."""
    from imagebuild.cli.aki import image_kind
    from imagebuild.cli.ec2_output import Teller
    from imagebuild.events import stage
    from imagebuild.publish.ec2 import aki, bundle, gate, keys, manifest, requests

    teller = Teller()
    aki.refuse_ramdisk(words.ramdisk_id)
    mappings = tuple(requests.parse_mapping(word) for word in words.mappings)
    account = manifest.check_account(words.account)
    prefix = manifest.check_prefix(words.prefix or words.image.name)
    loaded = keys.load_keys(
        private_key=words.private_key, certificate=words.certificate, ec2_certificate=words.ec2_certificate
    )
    gate.look_at(words.image)
    kind = image_kind(words.image, words.architecture, teller)
    if words.kernel_id:
        _check_kernel(words.kernel_id, kind, teller)
    machine = manifest.Machine(kind.architecture, words.kernel_id, None, mappings)
    request = bundle.BundleRequest(words.image, words.folder, prefix, account, machine)
    with stage(teller, "bundle"):
        written = bundle.write_bundle(request, loaded, meter=teller.meter("bundle"))
    teller.note(f"{len(written.manifest.parts)} parts, {written.manifest.bundled_bytes} bytes")
    print(written.manifest_path)
    return OK


def _check_kernel(kernel_id: str, kind: ImageKind, teller: Teller) -> None:
    """An id of the table must fit the image; another is taken as it is, and said to be unknown."""
    from imagebuild.publish.ec2 import aki

    known = next((row for row in aki.table() if row.id == kernel_id), None)
    if known is None:
        teller.note(f"warning: {kernel_id} is not in imagebuild's table of AKIs: it was not checked")
    else:
        aki.check(kernel_id, kind, known.region)


def unbundle_image(manifest_path: Path, private_key: Path, folder: Path | None) -> int:
    """Write the image and print its path."""
    from imagebuild.cli.ec2_output import Teller
    from imagebuild.events import stage
    from imagebuild.publish.ec2 import keys, unbundle

    teller = Teller()
    private = keys.load_private_key(private_key)
    name = unbundle.open_manifest(manifest_path).manifest.name
    target = (folder or Path()) / name
    if target.exists():
        raise PublishError(f"{target} exists already", resolution="remove it, or choose another folder with -d")
    with stage(teller, "unbundle"):
        unbundle.read_bundle(manifest_path, private, target, meter=teller.meter("unbundle"))
    print(target)
    return OK
