"""A verified image into EC2: what the options and the recipe's `ec2:` section say, planned and carried out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from imagebuild.errors import PublishError
from imagebuild.events import Progress, stage
from imagebuild.host.cache import Cache
from imagebuild.publish.ec2 import gate
from imagebuild.publish.ec2.aws import Clients, connect
from imagebuild.publish.ec2.gate import RawImage
from imagebuild.publish.ec2.image_kind import image_kind
from imagebuild.publish.ec2.keys import BundleKeys, load_keys
from imagebuild.publish.ec2.plan import Publication, PublicationPlan, calls, plan_publication, proving
from imagebuild.publish.ec2.publication import MeterFor, Published, publish
from imagebuild.publish.ec2.regions import check_regions
from imagebuild.publish.ec2.requests import parse_mapping
from imagebuild.recipe.load import LoadedRecipe, load_recipe
from imagebuild.report import BootEnd, Report
from imagebuild.vocabulary import DEFAULT_LOADER

# Where the recipe's section has another name, or another shape.
_SHAPED = {"certificate", "ec2_certificate", "block_devices", "launch_permissions"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishRequest:
    """`options`: those fields of Publication that the user gives, before the recipe's section, before the defaults.

    `mappings` and `tags` in it are as written (VIRTUAL=DEVICE, KEY=VALUE). `recipe` None: no section. `report` None:
    the one that lies beside the image; `unverified`: none is wanted. `dry_run`: only say what would be asked of AWS.
    """

    image: Path
    options: Mapping[str, Any] = field(default_factory=dict)
    recipe: Path | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    certificate: Path | None = None
    private_key: Path | None = None
    ec2_certificate: Path | None = None
    report: Path | None = None
    unverified: bool = False
    dry_run: bool = False
    workers: int = 8


@dataclass(frozen=True, slots=True)
class DryRun:
    """`calls`: region, operation and parameters of each changing call that a first run would make."""

    notes: tuple[str, ...]
    calls: tuple[tuple[str, str, dict[str, Any]], ...]


def publish_image(
    request: PublishRequest, cache: Cache, progress: Progress, meter_for: MeterFor
) -> list[Published] | DryRun:
    """What is registered now, one for each region; with `dry_run` what would be asked.

    Raises UsageError for a missing or unknown region, PublishError for everything else.
    """
    loaded = load_recipe(request.recipe, request.settings) if request.recipe else None
    check_regions(request.options.get("regions") or _of_section(loaded).get("regions", ()))
    gate.look_at(request.image)
    report_path = None if request.unverified else request.report or gate.find_report(request.image)
    publication = _publication(request, loaded, cache, progress)
    keys = _keys(request, loaded) if publication.store == "instance-store" and not request.dry_run else None
    with stage(progress, "sha256"):
        image = gate.take_sha256(request.image, meter=meter_for("sha256"))
    _check_report(image, report_path, publication, progress)

    def connect_to(region: str) -> Clients:
        return connect(region, workers=request.workers)

    plan = plan_publication(publication, image.sha256, image.size_bytes, image.sectors, connect_to)
    if request.dry_run:
        return _dry_run(plan, image)
    return publish(plan, image, cache=cache, progress=progress, meter_for=meter_for, keys=keys, workers=request.workers)


def _publication(request: PublishRequest, loaded: LoadedRecipe | None, cache: Cache, progress: Progress) -> Publication:
    """The options before the recipe's section before the defaults."""
    given = {**_of_section(loaded), **{key: value for key, value in request.options.items() if value}}
    architecture = request.options.get("architecture") or (loaded.recipe.architecture if loaded else None)
    given["architecture"] = image_kind(request.image, architecture, cache, progress).architecture
    if mappings := request.options.get("mappings"):
        given["mappings"] = tuple(parse_mapping(text) for text in mappings)
    given["tags"] = {**_of_section(loaded).get("tags", {}), **_tags(request.options.get("tags") or ())}
    if loaded is not None and given.get("virtualization") != "hvm" and loaded.recipe.boot.loader != DEFAULT_LOADER:
        raise PublishError(
            f"the recipe's image is made for {loaded.recipe.boot.loader}, but EC2 starts PV images only with PV-GRUB",
            resolution=f"set boot.loader: {DEFAULT_LOADER} in the recipe, build and verify again",
        )
    return Publication(stem=_stem(request.image, loaded), **given)


def _of_section(loaded: LoadedRecipe | None) -> dict[str, Any]:
    """The fields of Publication that the recipe's `ec2:` section says."""
    if loaded is None or loaded.recipe.ec2 is None:
        return {}
    section = loaded.recipe.ec2
    said = {key: value for key, value in section.model_dump(exclude=_SHAPED).items() if value is not None}
    mappings = tuple((virtual, device) for device, virtual in section.block_devices.items())
    return said | {"permissions": section.launch_permissions, "mappings": mappings}


def _tags(texts: Sequence[str]) -> dict[str, str]:
    tags = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise PublishError(f"{text!r} is not a tag", resolution="write --tag KEY=VALUE")
        tags[key] = value
    return tags


def _stem(image: Path, loaded: LoadedRecipe | None) -> str:
    if loaded is not None:
        recipe = loaded.recipe
        stem = f"{recipe.name}-{recipe.version}" if recipe.version else recipe.name
    else:
        stem = image.stem
    return re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip(".-")[:80] or "image"


def _keys(request: PublishRequest, loaded: LoadedRecipe | None) -> BundleKeys:
    section = loaded.recipe.ec2 if loaded else None
    certificate = request.certificate or _beside(loaded, section.certificate if section else None)
    ec2_certificate = request.ec2_certificate or _beside(loaded, section.ec2_certificate if section else None)
    if certificate is None or ec2_certificate is None or request.private_key is None:
        raise PublishError(
            "instance-store needs the account's certificate, its private key and EC2's certificate",
            resolution="give --cert, --key and --ec2cert",
        )
    return load_keys(private_key=request.private_key, certificate=certificate, ec2_certificate=ec2_certificate)


def _beside(loaded: LoadedRecipe | None, path: str | None) -> Path | None:
    return loaded.folder / path if loaded is not None and path is not None else None


def _check_report(image: RawImage, path: Path | None, publication: Publication, progress: Progress) -> None:
    """No image without a passing report about it; `path` None: the user wants it so."""
    if path is None:
        progress.note("warning: published without a passing report (--unverified)")
        return
    report = gate.check_report(image, path)
    progress.note(f"verified: {path} is about this image, and it passed")
    if publication.virtualization == "paravirtual" and not any(boot.machine == "xen" for boot in report.boots):
        progress.note("warning: that report has no boot under Xen")
    if publication.virtualization == "hvm":
        _check_pc_boots(report, path, publication, progress)


def _check_pc_boots(report: Report, path: Path, publication: Publication, progress: Progress) -> None:
    """A boot mode that is asked for has to be proven; without one, what EC2 does by itself is worth a word."""
    proven = {boot.machine for boot in report.boots if boot.end is BootEnd.REACHED}
    missing = [machine for machine in proving(publication) if machine not in proven]
    if missing and publication.boot_mode is None:
        progress.note("warning: that report has no boot by a PC's BIOS")
    elif missing:
        raise PublishError(
            f"boot mode {publication.boot_mode}: the report {path} has no boot by {' and '.join(missing)}",
            resolution=f"run: imagebuild verify IMAGE --with static,{','.join(missing)} (or publish it with --unverified)",
        )


def _dry_run(plan: PublicationPlan, image: RawImage) -> DryRun:
    return DryRun(plan.notes, tuple(calls(plan, image.path, image.size_bytes)))
