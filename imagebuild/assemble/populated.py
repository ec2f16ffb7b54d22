"""Ext filesystems populated from a tree, cached before they are finished: an image is a copy and a few files.

CACHE/filesystems/DIGEST/filesystem-N for each of the plan's, and catalogue.json of the tree's names. They have no
identity (UUID, label) and lie nowhere yet: images that differ only in these, or in what is finished, share them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from imagebuild.assemble.job import FinishJob, hand_over
from imagebuild.events import Progress
from imagebuild.host import command
from imagebuild.host.cache import Cache
from imagebuild.host.cache_kinds import MOST_FILESYSTEMS_BYTES, Kind
from imagebuild.host.digest import file_sha256
from imagebuild.host.namespace import Workspace
from imagebuild.plan.disk_vocabulary import MakeExt, Region, Runs
from imagebuild.plan.steps import Edit, Plan, digest_of, sources_of

KIND: Kind = "filesystems"
# The filesystem's UUID, and the seed of its directories' hashes, before it has an identity.
_NOBODY = "6b0f1d5e-94f3-5c38-8a53-1f6a2f6d1c11"

# Makes these filesystems, after the tree's edits, each as a file of its own in the directory.
Populate = Callable[[tuple[MakeExt, ...], Path], None]


class _Inputs(BaseModel):
    """All that populated filesystems depend on.

    `tree`: the digest of its content: a tree that was bootstrapped again has its old key and other packages. `tool`:
    mke2fs' version; `sources`: sha256 of files beside the recipe.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = 1
    tool: str
    tree: str
    epoch: int
    edits: tuple[Edit, ...]
    sources: tuple[tuple[str, str], ...]
    filesystems: tuple[MakeExt, ...]


def get_populated(
    plan: Plan, tree: str, recipe_directory: Path, cache: Cache, space: Workspace, populate: Populate
) -> tuple[Path, bool]:
    """The directory of the plan's populated filesystems, and whether it was in the cache. `tree`: its content's digest.

    What may hold a secret is made in the workspace. Raises BuildError, HostError.
    """
    bare = tuple(_bare(step, plan) for step in _filesystems(plan))
    if not plan.kept:
        directory = space.directory / KIND
        directory.mkdir()
        populate(bare, directory)
        return directory, False
    sources = sorted({source for edit in plan.edits for source in sources_of(edit)})
    inputs = _Inputs(
        tool=command.run(["mke2fs", "-V"], doing="asking for mke2fs' version").strip(),
        tree=tree,
        epoch=plan.epoch or 0,
        edits=plan.edits,
        sources=tuple((source, file_sha256(recipe_directory / source)) for source in sources),
        filesystems=bare,
    )
    populated, cached = cache.get(KIND, digest_of(inputs), lambda directory: populate(bare, directory))
    if not cached:
        cache.prune(MOST_FILESYSTEMS_BYTES, kind=KIND, wanted=populated)
    return populated, cached


def _filesystems(plan: Plan) -> tuple[MakeExt, ...]:
    """All that the plan populates: a plan with something to finish has ext filesystems only, and refuses others."""
    steps = tuple(step for step in plan.phases.populate if isinstance(step, MakeExt))
    assert len(steps) == len(plan.phases.populate)
    return steps


def _bare(step: MakeExt, plan: Plan) -> MakeExt:
    """The step without the place and the identity, and without the files that are written when it is finished."""
    written = {getattr(edit, "path", None) for edit in plan.finishing}
    return step.model_copy(
        update={
            "where": Runs(runs=(Region(offset_bytes=0, size_bytes=step.size_bytes),)),
            "uuid": _NOBODY,
            "label": None,
            "solid": tuple(path for path in step.solid if path not in written),
        }
    )


def finish_populated(
    plan: Plan,
    populated: Path,
    image: Path,
    *,
    space: Workspace,
    recipe_directory: Path,
    secrets: dict[str, str],
    progress: Progress,
) -> None:
    """Bring the populated filesystems into the image and finish them. Raises BuildError, HostError."""
    job = FinishJob(
        workspace=space.directory,
        lock=space.lock,
        epoch=plan.epoch or 0,
        recipe_directory=recipe_directory,
        secrets=secrets,
        populated=populated,
        filesystems=_filesystems(plan),
        edits=plan.finishing,
        image=image,
    )
    hand_over(job, "imagebuild.assemble.inside.finish.process", "finishing the filesystems", progress)
