"""What lies beside an image beyond its report: other formats, SBOMs, provenance, the signed list of digests."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from imagebuild.artifacts.output_directory import (
    CYCLONEDX,
    LOCK,
    PROVENANCE,
    RECIPE,
    SIGNATURE,
    SPDX,
    SUMS,
    OutputFolder,
    sums,
)
from imagebuild.events import Progress
from imagebuild.report import Report, Verdict

if TYPE_CHECKING:
    from imagebuild.operations.toolbox import Made
    from imagebuild.recipe.load import LoadedRecipe
    from imagebuild.recipe.model import Recipe


def other_formats(recipe: Recipe, folder: OutputFolder, report: Report, progress: Progress) -> dict[str, str]:
    """Write the outputs that the recipe asks for, as partial files; sha256 by file name. None of a bad image."""
    from imagebuild.artifacts.outputs import OUTPUTS, make_output

    wanted = [kind for kind in OUTPUTS if kind in recipe.outputs]
    if report.verdict is Verdict.FAILED or not wanted:
        return {}
    suffix = ".unverified" if report.image.path.endswith(".unverified") else ""
    is_private = folder.partial_image.stat().st_mode & 0o077 == 0  # then so is whatever is made of it
    made = {}
    for kind in wanted:
        name = f"{folder.name}.{kind}{suffix}"
        if is_private:
            folder.make_private(folder.partial(name))
        output = make_output(folder.partial_image, kind, folder.partial(name),
                             raw_sha256=report.image.sha256, progress=progress)  # fmt: skip
        made[name] = output.sha256
    return made


def load_libraries() -> None:
    """Import what `documents` needs and what takes long: together half a second."""
    import cyclonedx.output  # noqa: F401
    import spdx_tools.spdx.writer.json.json_writer  # noqa: F401

    import imagebuild.artifacts.provenance  # noqa: F401


def documents(built: Made, report: Report, formats: Mapping[str, str]) -> dict[str, str]:
    """SBOMs and provenance, by file name."""
    from imagebuild.artifacts.provenance import provenance_text
    from imagebuild.artifacts.sbom import Contents, cyclonedx_text, spdx_text

    plan = built.plan
    suite = plan.tree.suite if plan.tree.kind == "bootstrap-debian" else None
    made = _now()
    begun = made - timedelta(seconds=sum(stage.seconds for stage in report.stages))
    contents = Contents(report.name, plan.version, report.image, built.packages, made, suite)
    subjects = {report.image.path: report.image.sha256, **formats}
    return {
        SPDX: spdx_text(contents),
        CYCLONEDX: cyclonedx_text(contents),
        PROVENANCE: provenance_text(contents, report, subjects, plan.tree.model_dump(mode="json"), begun),
    }


def inputs(loaded: LoadedRecipe, built: Made, folder: OutputFolder) -> dict[str, str]:
    """What the same image can be built from again, by file name: the recipe, and the lock of a bootstrapped tree."""
    from imagebuild.recipe.kept import kept_text
    from imagebuild.rootfs.lock import lock_of_build

    lock = lock_of_build(loaded, built.plan, built.packages)
    return {RECIPE: kept_text(loaded, folder.path)} | ({LOCK: lock.text()} if lock else {})


def digests(report: Report, formats: Mapping[str, str], texts: Mapping[str, str], key: Path | None) -> dict[str, str]:
    """SHA256SUMS over all of that, and its signature where there is a key."""
    from imagebuild.artifacts.signature import sign

    listed = sums(report.image.path, report.image.sha256, texts, formats)
    return {SUMS: listed} | ({SIGNATURE: sign(listed, key)} if key else {})


def _now() -> datetime:
    """SOURCE_DATE_EPOCH, where it is set (https://reproducible-builds.org/specs/source-date-epoch/)."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    return datetime.fromtimestamp(int(epoch), UTC) if epoch.isdecimal() else datetime.now(UTC).replace(microsecond=0)
