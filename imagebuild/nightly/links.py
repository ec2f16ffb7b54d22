"""The files of a result that the summary links to."""

from __future__ import annotations

from pathlib import Path

from imagebuild.artifacts.output_directory import PAGE
from imagebuild.nightly.store import Store
from imagebuild.nightly.unchanged import read_current
from imagebuild.report import Report

_LOG = "build.log"


def links_of(store: Store, name: str, report: Report | None, *, directory: Path | None) -> dict[str, str]:
    """What is there of a result, by what it is. Of one that was not built: its log. `directory`: where the files lie;
    None: they are in the store, its images compressed."""
    named = {"report": PAGE, "image": report.image.path, **_consoles(report)} if report else {}
    folder, files = name, set[str]()
    if directory is not None:
        files = {path.name for path in directory.glob("*")}
    elif report and (current := read_current(store, name)):
        folder, files = f"{name}/{current.stored}", set(current.files)
    links: dict[str, str] = {}
    for word, file in {**named, "log": _LOG}.items():
        found = next((each for each in (file, f"{file}.zst") if each in files), "")
        links |= {word: f"{folder}/{found}"} if found else {}
    return links


def _consoles(report: Report) -> dict[str, str]:
    return {f"console: {Path(boot.console).stem.removeprefix('console-')}": boot.console for boot in report.boots}
