"""Which AKIs there are, and which one starts an image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from imagebuild.errors import PublishError
from imagebuild.events import Progress
from imagebuild.host.cache import Cache
from imagebuild.publish.ec2 import aki
from imagebuild.publish.ec2.aki import Aki, ImageKind
from imagebuild.publish.ec2.instance_families import who_starts
from imagebuild.vocabulary import Architecture, Layout


@dataclass(frozen=True, slots=True, kw_only=True)
class AkiRequest:
    """`image`: choose for this one. `aki`: check this id rather than choose. None elsewhere: any will do."""

    region: str | None = None
    architecture: Architecture | None = None
    layout: Layout | None = None
    version: str | None = None
    image: Path | None = None
    aki: str | None = None
    ask_aws: bool = False


@dataclass(frozen=True, slots=True)
class ChosenAki:
    """`notes`: what is worth knowing about the instances that start it."""

    aki: Aki
    reason: str
    kind: ImageKind
    notes: tuple[str, ...]


def find_akis(request: AkiRequest, cache: Cache, progress: Progress) -> ChosenAki | list[Aki]:
    """With an image: the one that starts it. Without: the rows that match.

    Raises UsageError for a region that does not exist; PublishError for one without PV-GRUB,
    for an AKI that does not fit, and when none fits.
    """
    if request.ask_aws and request.region is None:
        raise PublishError("--ask-aws queries one region", resolution="give it with --region")
    if request.region is not None:
        from imagebuild.publish.ec2.regions import check_regions

        check_regions([request.region])
    rows = _asked(request.region) if request.ask_aws and request.region else aki.table()
    if request.image is not None:
        return _choose(request, request.image, rows, cache, progress)
    if request.region is not None and request.region not in aki.regions(rows):
        raise PublishError(
            f"no AKI is known for the region {request.region}",
            details=f"known regions: {', '.join(aki.regions())}",
            resolution="choose one of these, or ask AWS with --ask-aws",
        )
    return aki.listed(
        rows,
        region=request.region,
        architecture=request.architecture,
        layout=request.layout,
        version=request.version,
    )


def _choose(request: AkiRequest, image: Path, rows: Sequence[Aki], cache: Cache, progress: Progress) -> ChosenAki:
    from imagebuild.publish.ec2.image_kind import image_kind

    if request.region is None:
        raise PublishError("an AKI is valid in one region only", resolution="give the region with --region")
    kind = image_kind(image, request.architecture, cache, progress)
    notes = tuple(who_starts("paravirtual", request.region))
    if request.aki is not None:
        return ChosenAki(aki.check(request.aki, kind, request.region, rows=rows), "it fits the image", kind, notes)
    choice = aki.choose(kind, request.region, version=request.version, layout=request.layout, rows=rows)
    return ChosenAki(choice.aki, choice.reason, kind, notes)


def _asked(region: str) -> list[Aki]:
    from imagebuild.publish.ec2.aws import connect
    from imagebuild.publish.ec2.register import ask_for_akis

    return ask_for_akis(connect(region, workers=1))
