"""`publish`: an image into EC2, from the words of the command line and the recipe's `ec2:` section."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imagebuild.errors import OK, PublishError

if TYPE_CHECKING:
    from imagebuild.cli.ec2_output import Teller
    from imagebuild.publish.ec2.keys import BundleKeys
    from imagebuild.publish.ec2.publication import Published
    from imagebuild.publish.ec2.wishes import Plan, Wishes
    from imagebuild.recipe.ec2 import Ec2
    from imagebuild.recipe.load import LoadedRecipe


@dataclass(frozen=True, slots=True)
class PublishWords:
    """The words of the command line; None and empty: the recipe's, or the default."""

    image: Path
    recipe: Path | None = None
    settings: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    store: str | None = None
    name: str | None = None
    description: str | None = None
    architecture: str | None = None
    virtualization: str | None = None
    kernel_id: str | None = None
    ramdisk_id: str | None = None
    pv_grub: str | None = None
    loader: str | None = None
    ask_aws: bool = False
    ena: bool = False
    volume_type: str | None = None
    bucket: str | None = None
    account: str | None = None
    certificate: Path | None = None
    private_key: Path | None = None
    ec2_certificate: Path | None = None
    mappings: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    permissions: tuple[str, ...] = ()
    report: Path | None = None
    unverified: bool = False
    dry_run: bool = False
    as_json: bool = False
    workers: int = 8


def publish_image(words: PublishWords) -> int:
    """Publish, and print what is registered."""
    from imagebuild.cli.ec2_output import Teller
    from imagebuild.events import stage
    from imagebuild.host.cache import Cache
    from imagebuild.publish.ec2 import gate
    from imagebuild.publish.ec2.aws import connect
    from imagebuild.publish.ec2.publication import publish
    from imagebuild.publish.ec2.wishes import prepare

    teller = Teller()
    loaded, section = _section(words)
    gate.look_at(words.image)
    report_path = None if words.unverified else words.report or gate.find_report(words.image)
    wishes = _wishes(words, loaded, section, _architecture(words, loaded, teller))
    keys = _keys(words, loaded, section) if wishes.store == "instance-store" and not words.dry_run else None
    with stage(teller, "sha256"):
        image = gate.take_sha256(words.image, meter=teller.meter("sha256"))
    if report_path is None:
        teller.note("warning: published unverified, as insisted")
    else:
        report = gate.check_report(image, report_path)
        teller.note(f"verified: {report_path} is about this image, and it passed")
        if wishes.virtualization == "paravirtual" and not any(boot.machine == "xen" for boot in report.boots):
            teller.note("warning: that report has no boot under Xen")
    plan = prepare(
        wishes, image.sha256, image.size_bytes, image.sectors, lambda region: connect(region, workers=words.workers)
    )
    if words.dry_run:
        return _print_calls(plan, words)
    published = publish(
        plan,
        image,
        cache=Cache(),
        progress=teller,
        meter_for=teller.meter,
        keys=keys,
        workers=words.workers,
    )
    _print_published(published, as_json=words.as_json)
    return OK


def _section(words: PublishWords) -> tuple[LoadedRecipe | None, Ec2 | None]:
    if words.recipe is None:
        return None, None
    from imagebuild.operations.recipes import parse_settings
    from imagebuild.recipe.load import load_recipe

    loaded = load_recipe(words.recipe, parse_settings(list(words.settings)))
    return loaded, loaded.recipe.ec2


def _architecture(words: PublishWords, loaded: LoadedRecipe | None, teller: Teller) -> str:
    from imagebuild.cli.aki import image_kind

    given = words.architecture or (loaded.recipe.architecture if loaded else None)
    return image_kind(words.image, given, teller).architecture


def _wishes(words: PublishWords, loaded: LoadedRecipe | None, section: Ec2 | None, architecture: str) -> Wishes:
    """The words before the recipe's section before the defaults."""
    from imagebuild.publish.ec2.requests import parse_mapping
    from imagebuild.publish.ec2.wishes import Wishes

    given: dict[str, Any] = {"architecture": architecture, "stem": _stem(words, loaded)}
    if section is not None:
        chosen = section.model_dump(exclude={"certificate", "ec2_certificate", "block_devices", "launch_permissions"})
        given |= {key: value for key, value in chosen.items() if value is not None}
        given["permissions"] = section.launch_permissions
        given["mappings"] = tuple((virtual, device) for device, virtual in section.block_devices.items())
    for key in ("regions", "store", "name", "description", "virtualization", "kernel_id", "ramdisk_id", "pv_grub",
                "loader", "ask_aws", "ena", "volume_type", "bucket", "account", "permissions"):  # fmt: skip
        if value := getattr(words, key):
            given[key] = value
    if words.mappings:
        given["mappings"] = tuple(parse_mapping(word) for word in words.mappings)
    if loaded is not None and given.get("virtualization") != "hvm" and loaded.recipe.boot.loader != "pv-grub":
        raise PublishError(
            f"the recipe's image is made for {loaded.recipe.boot.loader}: EC2 starts PV images by PV-GRUB only",
            resolution="set boot.loader: pv-grub in the recipe, build and verify again",
        )
    given["tags"] = {**given.get("tags", {}), **_tags(words.tags)}
    return Wishes(**given)


def _tags(words: Sequence[str]) -> dict[str, str]:
    tags = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            raise PublishError(f"{word!r} is no tag", resolution="write --tag KEY=VALUE")
        tags[key] = value
    return tags


def _stem(words: PublishWords, loaded: LoadedRecipe | None) -> str:
    if loaded is not None:
        recipe = loaded.recipe
        stem = f"{recipe.name}-{recipe.version}" if recipe.version else recipe.name
    else:
        stem = words.image.stem
    return re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip(".-")[:80] or "image"


def _keys(words: PublishWords, loaded: LoadedRecipe | None, section: Ec2 | None) -> BundleKeys:
    from imagebuild.publish.ec2.keys import load_keys

    certificate = words.certificate or _beside(loaded, section.certificate if section else None)
    ec2_certificate = words.ec2_certificate or _beside(loaded, section.ec2_certificate if section else None)
    if certificate is None or ec2_certificate is None or words.private_key is None:
        raise PublishError(
            "instance-store needs the account's certificate, its private key and EC2's certificate",
            resolution="give --cert, --key and --ec2cert",
        )
    return load_keys(private_key=words.private_key, certificate=certificate, ec2_certificate=ec2_certificate)


def _beside(loaded: LoadedRecipe | None, path: str | None) -> Path | None:
    return loaded.folder / path if loaded is not None and path is not None else None


def _print_calls(plan: Plan, words: PublishWords) -> int:
    from imagebuild.publish.ec2.wishes import calls

    listed = calls(plan, words.image, words.image.stat().st_size)
    if words.as_json:
        rows = [{"region": region, "call": call, "parameters": parameters} for region, call, parameters in listed]
        print(json.dumps({"notes": plan.notes, "calls": rows}, indent=2, ensure_ascii=False))
        return OK
    for line in plan.notes:
        print(line)
    for region, call, parameters in listed:
        print(f"{region}: {call} {json.dumps(parameters, ensure_ascii=False)}")
    print("dry run: nothing was asked of AWS; what is there already would be found and left alone")
    return OK


def _print_published(published: Sequence[Published], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps([asdict(one) for one in published], indent=2))
        return
    for one in published:
        source = one.snapshot_id or one.location or ""
        kernel = f" {one.kernel_id}" if one.kernel_id else ""
        root = f" root {one.root_device}" if one.root_device else ""
        done = "" if one.changed else " (nothing to do)"
        facts = f"{one.virtualization} {one.architecture}{kernel}{root} {source}"
        print(f"{one.region}: {one.image_id} {one.name}: {facts}{done}")
