"""Whether what is published for a recipe is still right, so that it need not be built again; and if not, why not."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ValidationError

from imagebuild import __version__
from imagebuild.artifacts.output_directory import PACKAGES, REPORT
from imagebuild.errors import PlanError
from imagebuild.host.cache import Cache
from imagebuild.host.digest import image_sha256
from imagebuild.nightly.model import Options, Result, State
from imagebuild.nightly.store import CURRENT, Store
from imagebuild.operations.recipes import final_plan
from imagebuild.recipe.load import LoadedRecipe
from imagebuild.report import Report, Verdict
from imagebuild.rootfs.packages import Packages


class Current(BaseModel):
    """URL/NAME/current.json. `files`: size and sha256 by name; `marks`: what tells a changed one without reading it."""

    stored: str
    result: Result
    report: Report
    files: dict[str, tuple[int, str]]
    marks: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class Standing:
    """What is published: `why_not` it is still right; empty: it is. `report` None: nothing is there."""

    report: Report | None
    why_not: str


def in_folder(
    loaded: LoadedRecipe, output: Path, recorded: Result | None, inputs: str, options: Options, cache: Cache
) -> Standing:
    """For a result in a folder (DIR/NAME/), its image read and compared. `recorded`: the last night's word."""
    folder = output / loaded.recipe.name
    report = _report((folder / REPORT).read_bytes() if (folder / REPORT).is_file() else None)
    if report is None:
        return Standing(None, "no earlier result")
    why_not = _why_not(loaded, report, recorded, inputs, options, cache)
    if not why_not and _sha256(folder / report.image.path) != report.image.sha256:
        why_not = "the image is no longer the one that was verified"
    return Standing(report, why_not)


def in_store(loaded: LoadedRecipe, store: Store, inputs: str, options: Options, cache: Cache) -> Standing:
    """For a result in a store; its files are compared by their marks, or on a disk by their digests."""
    current = read_current(store, loaded.recipe.name)
    if current is None:
        return Standing(None, "no earlier result")
    why_not = _why_not(loaded, current.report, current.result, inputs, options, cache)
    if not why_not:
        changed = [name for name in current.files if not _same(store, loaded.recipe.name, current, name)]
        why_not = f"changed after publication: {', '.join(changed)}" if changed else ""
    return Standing(current.report, why_not)


def as_asked_for(report: Report) -> bool:
    """Whether it is unverified because nobody asked for a verification."""
    return report.verdict is Verdict.UNVERIFIED and not report.verify_asked


def state_of(report: Report) -> State:
    """How a recipe comes out of a night for which this report still stands."""
    if as_asked_for(report):
        return State.NOT_VERIFIED
    return State.CHECKED if report.verdict is Verdict.CHECKED else State.UNCHANGED


def published_packages(store: Store, name: str, *, direct: bool) -> Packages | None:
    """packages.json of what is published; None: nothing is, or it cannot be read."""
    current = None if direct else read_current(store, name)
    path = f"{name}/{PACKAGES}" if direct else f"{name}/{current.stored}/{PACKAGES}" if current else ""
    try:
        return Packages.model_validate_json(store.read(path) or b"") if path else None
    except ValidationError:
        return None


def read_current(store: Store, name: str) -> Current | None:
    try:
        return Current.model_validate_json(store.read(f"{name}/{CURRENT}") or b"")
    except ValidationError:
        return None


def _same(store: Store, recipe: str, current: Current, name: str) -> bool:
    path = f"{recipe}/{current.stored}/{name}"
    if store.folder is not None:
        return _sha256(store.folder / path) == current.files[name][1]
    return store.mark(path) == current.marks.get(name)


def _why_not(
    loaded: LoadedRecipe, report: Report, recorded: Result | None, inputs: str, options: Options, cache: Cache
) -> str:
    asked_for_none = options.machines == () and as_asked_for(report)
    checked = report.verdict is Verdict.CHECKED and report.as_asked  # the machines are part of the inputs' digest
    if not (report.booted or checked or asked_for_none):
        return f"it was not verified: {report.unverified_because or report.verdict}"
    if report.imagebuild_version != __version__:
        return f"imagebuild {report.imagebuild_version or '(unknown)'} built it, this is {__version__}"
    if recorded is None or recorded.image_sha256 != report.image.sha256:
        return "no earlier run recorded its inputs"
    if recorded.inputs_sha256 != inputs:
        return "the recipe or a file that it names has changed"
    try:
        plan = final_plan(loaded, cache)
    except PlanError:
        return "the plan has changed"
    return "the plan has changed" if plan and plan.digest != report.plan_digest else ""


def _report(content: bytes | None) -> Report | None:
    try:
        return Report.model_validate(json.loads(content)) if content else None
    except (ValueError, ValidationError):
        return None


def _sha256(path: Path) -> str:
    try:
        return image_sha256(path)
    except OSError:
        return ""
