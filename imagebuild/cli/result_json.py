"""What `--json` prints: results as data, for scripts. Keys are only ever added."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imagebuild.cli.output import say_json
from imagebuild.errors import ImagebuildError, PlanError, RecipeError
from imagebuild.formats.text import printable
from imagebuild.operations.failures import explain

if TYPE_CHECKING:
    from imagebuild.report import Report


def print_json(document: Any) -> None:
    say_json(json.dumps(document, indent=2, ensure_ascii=False))


def image_facts(report: Report, folder: Path, *, seconds: float, exit_code: int) -> dict[str, Any]:
    """One image: `failed` are its failed checks; everything else about it is in `report`, report.json."""
    return {
        "name": report.name,
        "verdict": report.verdict.value,
        "exit_code": exit_code,
        "unverified_because": report.unverified_because,
        "image": str(folder / report.image.path),
        "sha256": report.image.sha256,
        "report": str(folder / "report.json"),
        "seconds": round(seconds, 3),
        "failed": [f"{check.machine}: {check.name}: {printable(check.detail)}" for check in report.failed()],
    }


def recipe_facts(path: Path, error: ImagebuildError | None) -> dict[str, Any]:
    """One recipe: `problems` is empty where it is valid."""
    return {"recipe": str(path), "valid": error is None, "problems": list(_problems(error)) if error else []}


def _problems(error: ImagebuildError) -> Iterable[dict[str, Any]]:
    match error:
        case RecipeError():
            for one in error.problems:
                yield {"file": one.file, "line": one.line, "column": one.column, "key": one.key, "message": one.message}
        case PlanError():
            for refusal in (error, *error.others):
                file, line, column = _place(refusal.place)
                message = refusal.message + (f"; what to do: {refusal.resolution}" if refusal.resolution else "")
                yield {"file": file, "line": line, "column": column, "key": refusal.key, "message": message}
        case _:
            yield {"file": "", "line": 0, "column": 0, "key": "", "message": "\n".join(explain(error))}


def _place(place: str) -> tuple[str, int, int]:
    """`file:line:column` in its parts; 0 where it names the file alone."""
    parts = place.rsplit(":", 2)
    if len(parts) == 3 and parts[1].isdigit() and parts[2].isdigit():
        return parts[0], int(parts[1]), int(parts[2])
    return place, 0, 0
