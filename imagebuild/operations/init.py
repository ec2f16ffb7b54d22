"""A commented recipe to begin with, from a few answers or from an image."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast, get_args

from imagebuild.errors import BuildError, HostError, ImagebuildError, UsageError
from imagebuild.events import Progress
from imagebuild.host.cache import Cache
from imagebuild.host.scratch import scratch_folder
from imagebuild.recipe.starter import Answers, FoundImage, from_image, starter
from imagebuild.vocabulary import ROOT_TYPES, USUAL_ROOT, Layout, RootType

Ask = Callable[[str, str, tuple[str, ...]], str]
"""A question, its default, the choices (none: any text); returns the answer."""
SUITES = ("bookworm", "trixie", "bullseye")
_STDOUT = Path("-")


@dataclass(frozen=True, slots=True, kw_only=True)
class InitRequest:
    """`path`: where the recipe goes; "-": nowhere. `source`: an image to take it from. None elsewhere: to be asked."""

    path: Path
    source: Path | None = None
    name: str | None = None
    suite: str | None = None
    layout: Layout | None = None
    lvm: bool | None = None
    filesystem: RootType | None = None
    size: str | None = None
    hostname: str | None = None
    force: bool = False


@dataclass(frozen=True, slots=True)
class Written:
    """`path` None: it was written nowhere. `trouble`: what must be edited before it can be built."""

    text: str
    path: Path | None
    trouble: ImagebuildError | None = None


def write_recipe(request: InitRequest, ask: Ask, cache: Cache, progress: Progress) -> Written:
    """Write the recipe; it is read back and planned before it gets its name. Raises UsageError, HostError."""
    path = request.path
    if path != _STDOUT and path.exists() and not request.force:
        message = "the file exists already; choose another name, or give --force"
        raise UsageError(str(path), message)
    if request.source is not None:
        text = from_image(_look_at(request.source, path, cache, progress))
    else:
        text = starter(_answers(request, ask))
    if path == _STDOUT:
        return Written(text, None)
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_text(text, encoding="utf-8")
    except OSError as error:
        raise HostError(f"{path} cannot be written: {error.strerror}", resolution="choose another directory") from error
    trouble = _trouble(partial, path)
    partial.replace(path)
    return Written(text, path, trouble)


def _trouble(partial: Path, path: Path) -> ImagebuildError | None:
    """What `imagebuild validate` would say to it; an image may be like nothing that can be built."""
    from imagebuild.plan.planner import make_plan
    from imagebuild.recipe.load import load_recipe

    try:
        make_plan(load_recipe(partial).recipe, None)
    except ImagebuildError as error:
        problems = "\n".join(str(replace(one, file=str(path))) for one in getattr(error, "problems", ()))
        return BuildError(
            f"{path} must be edited before it can be built: {error.brief}",
            details=problems or error.details,
            resolution=error.resolution or f"edit it, then: imagebuild validate {path}",
        )
    return None


def _answers(request: InitRequest, ask: Ask) -> Answers:
    path = request.path
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem).strip("-._")[:64] or "my-image"
    name = request.name or ask("Name of the image", "my-image" if path == _STDOUT else stem, ())
    suite = request.suite or ask("Debian release", "bookworm", SUITES)
    layout = request.layout or ("hd00" if request.lvm else None)
    layout = layout or cast(Layout, ask("Layout: one filesystem, or a partition table", "hd0", get_args(Layout)))
    lvm = request.lvm
    if lvm is None:
        lvm = layout == "hd00" and ask("LVM", "no", ("yes", "no")) == "yes"
    if lvm and layout == "hd0":
        raise UsageError("--lvm", "LVM needs a partition table: --layout hd00")
    filesystem = request.filesystem or cast(RootType, ask("Root filesystem", USUAL_ROOT, ROOT_TYPES))
    size = request.size or ask("Size of the disk (auto: as large as the content needs)", "auto", ())
    hostname = request.hostname or ask("Host name", "debian", ())
    return Answers(name, layout, filesystem, lvm, suite, None if size == "auto" else size, hostname)


def _look_at(image: Path, recipe: Path, cache: Cache, progress: Progress) -> FoundImage:
    """What the image is like. Raises VerifyError."""
    from imagebuild.image.opened import open_any
    from imagebuild.operations.recipe_of_image import found_in

    folder = Path.cwd() if recipe == _STDOUT else recipe.absolute().parent
    with scratch_folder() as scratch, open_any(image, cache, scratch, progress) as subject:
        return found_in(subject, os.path.relpath(image.resolve(), folder))
