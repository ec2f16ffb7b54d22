"""What is in an image, without booting it; and its disk drawn."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from imagebuild.events import Progress, stage
from imagebuild.formats.text import size
from imagebuild.host.cache import Cache
from imagebuild.host.scratch import scratch_folder
from imagebuild.image.subject import open_subject
from imagebuild.pages.disk_svg import disk_svg
from imagebuild.pages.model import Area, DiskFacts, Stretch
from imagebuild.testhost import prepare
from imagebuild.vocabulary import DEFAULT_LOADER, BootLoader

if TYPE_CHECKING:
    from imagebuild.verify.inspection import Inspection, Part

_TABLES = {"dos": "MBR", "gpt": "GPT", None: "no partition table"}


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectRequest:
    """`loader`: whose rules the findings follow. `svg`: where the disk is drawn."""

    image: Path
    loader: BootLoader = DEFAULT_LOADER
    svg: Path | None = None


def inspect_image(request: InspectRequest, cache: Cache, progress: Progress) -> Inspection:
    """Look at one image, and draw it. Raises VerifyError or HostError when it cannot be looked at."""
    from imagebuild.verify.inspection import inspect_subject

    with stage(progress, "Xen test host") as mark:
        host, mark.cached = prepare(cache, progress)
    with (
        stage(progress, "inspecting the image"),
        scratch_folder() as folder,
        open_subject(request.image, host.tools, folder) as subject,
    ):
        found = inspect_subject(subject, progress, request.loader)
    if request.svg is not None:
        request.svg.write_text(drawing(found), encoding="utf-8")
    return found


def drawing(found: Inspection) -> str:
    """The disk as an SVG file."""
    table = _TABLES.get(found.table, found.table)
    title = f"{Path(found.image).name}: {size(found.size_bytes)}, {found.layout}, {table}"
    return disk_svg(title, DiskFacts(found.size_bytes, found.table or "none", tuple(map(_area, found.parts))))


def _area(part: Part) -> Area:
    filesystem = part.filesystem
    return Area(
        name=part.name,
        size_bytes=part.size_bytes,
        stretches=tuple(Stretch(run.offset_bytes, run.size_bytes) for run in part.stretches),
        type=filesystem.type if filesystem else "nothing known",
        label=filesystem.label if filesystem else "",
        uuid=filesystem.uuid if filesystem else "",
        level=1 if part.kind == "volume" else 0,
    )
