"""Who does the work behind the operations, as three functions: the tests put others in their place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from imagebuild.events import Progress
from imagebuild.host.cache import Cache

if TYPE_CHECKING:
    from imagebuild.plan.steps import Plan
    from imagebuild.recipe.load import LoadedRecipe
    from imagebuild.rootfs.packages import Packages
    from imagebuild.verify.request import Request, Verification


class Load(Protocol):
    def __call__(self, path: Path, settings: Mapping[str, str], /) -> LoadedRecipe: ...


class Made(Protocol):
    """What a build tells (image.Built)."""

    @property
    def plan(self) -> Plan: ...

    @property
    def packages(self) -> Packages: ...


class BuildImage(Protocol):
    def __call__(
        self, loaded: LoadedRecipe, target: Path, *, cache: Cache, progress: Progress, secrets: Mapping[str, str]
    ) -> Made: ...


class VerifyImage(Protocol):
    def __call__(self, request: Request, *, cache: Cache, progress: Progress) -> Verification: ...


@dataclass(frozen=True, slots=True)
class Toolbox:
    """Read a recipe, build an image, verify an image. `program` does the same as a process; empty: imagebuild."""

    load: Load
    build: BuildImage
    verify: VerifyImage
    program: tuple[str, ...] = ()


def own_toolbox() -> Toolbox:
    """imagebuild's own, each imported when it is needed: what is unchanged needs none but the first."""
    from imagebuild.recipe.load import load_recipe

    return Toolbox(load_recipe, _build, _verify)


def _build(loaded: LoadedRecipe, target: Path, *, cache: Cache, progress: Progress, secrets: Mapping[str, str]) -> Made:
    from imagebuild.operations.image import build_image

    return build_image(loaded, target, cache=cache, progress=progress, secrets=secrets)


def _verify(request: Request, *, cache: Cache, progress: Progress) -> Verification:
    from imagebuild.verify.kept import verify_image

    return verify_image(request, cache=cache, progress=progress)
