"""`aki`: the table of AKIs, and the right one for an image."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from imagebuild.errors import OK, PublishError
from imagebuild.host.scratch import scratch_folder

if TYPE_CHECKING:
    from imagebuild.cli.ec2_output import Teller
    from imagebuild.publish.ec2.aki import Aki, ImageKind
    from imagebuild.formats.first_sectors import TableKind
    from imagebuild.vocabulary import Architecture


@dataclass(frozen=True, slots=True)
class AkiQuestion:
    """The words of the command line; None means "any"."""

    region: str | None = None
    architecture: str | None = None
    layout: str | None = None
    version: str | None = None
    image: Path | None = None
    aki: str | None = None
    ask_aws: bool = False
    as_json: bool = False


def show_akis(question: AkiQuestion) -> int:
    """List the rows that match, or with an image: the right one, or why the wanted one is wrong."""
    from imagebuild.publish.ec2 import aki

    if question.ask_aws and question.region is None:
        raise PublishError("--ask-aws asks one region", resolution="name it with --region")
    rows: Sequence[Aki] = _asked(question.region) if question.ask_aws and question.region else aki.table()
    if question.image is not None:
        return _show_choice(question, rows)
    if question.region is not None and question.region not in aki.regions(rows):
        raise PublishError(
            f"no AKI is known for the region {question.region}",
            details=f"known regions: {', '.join(aki.regions())}",
            resolution="choose one of these, or ask AWS with --ask-aws",
        )
    found = aki.listed(
        rows,
        region=question.region,
        architecture=question.architecture,
        layout=question.layout,
        version=question.version,
    )
    _print_rows(found, as_json=question.as_json)
    return OK


def _print_rows(rows: Sequence[Aki], *, as_json: bool) -> None:
    from imagebuild.publish.ec2 import aki

    if as_json:
        print(json.dumps([asdict(row) | {"name": row.name} for row in rows], indent=2))
        return
    for row in rows:
        print(f"{row.id}  {row.region:<15} {row.name:<30} {row.source}")
    for key in sorted({row.source for row in rows}):
        if text := aki.sources().get(key):
            print(f"{key}: {text}")
    print(f"{len(rows)} AKIs" if rows else "no AKI matches")


def _show_choice(question: AkiQuestion, rows: Sequence[Aki]) -> int:
    from imagebuild.cli.ec2_output import Teller
    from imagebuild.publish.ec2 import aki
    from imagebuild.publish.ec2.instance_families import who_starts

    assert question.image is not None
    if question.region is None:
        raise PublishError("an AKI is good in one region only", resolution="name the region with --region")
    kind = image_kind(question.image, question.architecture, Teller())
    if question.aki is not None:
        chosen, reason = aki.check(question.aki, kind, question.region, rows=rows), "it fits the image"
    else:
        choice = aki.choose(kind, question.region, version=question.version, layout=question.layout, rows=rows)
        chosen, reason = choice.aki, choice.reason
    legacy = who_starts("paravirtual", question.region)
    if question.as_json:
        facts = {"table": kind.table, "layout": kind.layout, "architecture": kind.architecture}
        print(
            json.dumps(
                asdict(chosen) | {"name": chosen.name, "reason": reason, "image": facts, "notes": legacy}, indent=2
            )
        )
        return OK
    print(f"{chosen.id}  {chosen.name}  {chosen.region}  (source: {chosen.source})")
    print(reason)
    for line in legacy:
        print(line)
    return OK


def _asked(region: str) -> list[Aki]:
    from imagebuild.publish.ec2.aws import connect
    from imagebuild.publish.ec2.register import ask_for_akis

    return ask_for_akis(connect(region, workers=1))


def image_kind(image: Path, architecture: str | None, teller: Teller) -> ImageKind:
    """Look into the image: its partition table, and the architecture of the kernel that its menu boots.

    Raises PublishError when `architecture` is another than the kernel's, or when neither can be found out.
    """
    from imagebuild.publish.ec2.aki import ImageKind

    table, found, reason = _facts(image)
    wanted: Architecture | None = None if architecture is None else "i386" if architecture == "i386" else "x86_64"
    if found is None and wanted is None:
        raise PublishError(
            f"the architecture of {image} cannot be found out: {reason}",
            resolution="say it with --arch x86_64 or --arch i386",
        )
    if found is None:
        teller.note(f"the image's kernel was not found ({reason}): taking the given architecture, {wanted}")
    kind = ImageKind(table, found or wanted or "x86_64")
    if wanted is not None and wanted != kind.architecture:
        raise PublishError(
            f"the image's kernel is {kind.architecture}, not {wanted}",
            details="the architectures of the kernel, of the AKI and of the AMI must agree",
            resolution="leave --arch out",
        )
    return kind


def _facts(image: Path) -> tuple[TableKind, Architecture | None, str]:
    """Partition table, the kernel's architecture if it can be read, and else why not."""
    from imagebuild import testhost
    from imagebuild.formats.bzimage import read_kernel
    from imagebuild.host.cache import Cache
    from imagebuild.image.boot_files import NoEntry, default_entry_files
    from imagebuild.image.subject import open_subject
    from imagebuild.publish.ec2.gate import look_at

    if not image.is_file():
        raise PublishError(f"there is no image {image}", resolution="name a raw disk image")
    host = testhost.find(Cache())
    with scratch_folder() as scratch:
        tools = host.tools if host else testhost.Tools(scratch / "none")
        with open_subject(image, tools, scratch) as subject:
            sectors, _ = look_at(subject.raw)
            files = default_entry_files(subject)
    if isinstance(files, NoEntry):
        return sectors.table, None, files.reason
    kernel = read_kernel(files.kernel)
    if kernel is None:
        return sectors.table, None, f"the entry {files.title!r} names no Linux kernel for x86"
    return sectors.table, kernel.architecture, ""
