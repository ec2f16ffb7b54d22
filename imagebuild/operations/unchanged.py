"""What need not be done again: an image in the output directory that was made from just these inputs, and is proven.

The digest of the inputs covers the final plan (so the tree too), the recipe's verify section, the content of every file
that the recipe names, the password's hash (as a digest only) and imagebuild's version. An output is taken as it is when
its report says so and the image still has the sha256 that was judged.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

from imagebuild import __version__
from imagebuild.artifacts.output_directory import REPORT
from imagebuild.host.cache import Cache
from imagebuild.host.digest import file_sha256
from imagebuild.operations.jobs import BuildRequest, Job
from imagebuild.operations.recipes import final_plan
from imagebuild.recipe.named_file import read_whole
from imagebuild.report import MOST_REPORT_BYTES, Report, Verdict

if TYPE_CHECKING:
    from imagebuild.plan.steps import Plan


def inputs_digest(job: Job, plan: Plan, request: BuildRequest) -> str:
    """sha256 (hex) over everything that the image and its verdict come from."""
    from imagebuild.plan.steps import digest_of

    parts = {
        "version": __version__,
        "plan": plan.digest,
        "verify": digest_of(job.loaded.recipe.verify),
        "machines": job.machines,
        "loader": [job.loaded.recipe.boot.loader, request.demand, _file_digest(request.pv_grub)],
        "files": {path: _file_digest(job.loaded.folder / path) for path in _named_files(plan)},
        "outputs": [list(job.loaded.recipe.outputs), request.sign_key is not None],
        "secrets": {name: _digest(value.encode()) for name, value in job.secrets.items()},
    }
    return _digest(json.dumps(parts, sort_keys=True).encode())


def still_good(job: Job, folder: Path, request: BuildRequest) -> Report | None:
    """The report of an earlier build whose result stands for this one too; None: build."""
    earlier = _read_report(folder / REPORT)
    if earlier is None or earlier.verdict is not Verdict.PASSED or earlier.inputs_digest is None:
        return None
    plan = final_plan(job.loaded, Cache())
    if plan is None or inputs_digest(job, plan, request) != earlier.inputs_digest:
        return None
    if any(not (folder / f"{job.name}.{kind}").is_file() for kind in job.loaded.recipe.outputs):
        return None
    image = folder / earlier.image.path
    return earlier if image.is_file() and _image_digest(image) == earlier.image.sha256 else None


def _named_files(plan: Plan) -> list[str]:
    from imagebuild.plan.steps import sources_of

    return sorted({source for edit in plan.all_edits for source in sources_of(edit)})


def _image_digest(image: Path) -> str:
    from imagebuild.host.known_digest import known_sha256

    return known_sha256(image, Cache())


def _read_report(path: Path) -> Report | None:
    try:
        return Report.model_validate_json(read_whole(path, MOST_REPORT_BYTES))
    except (OSError, ValueError):
        return None


def _file_digest(path: Path | None) -> str | None:
    return None if path is None else file_sha256(path)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
