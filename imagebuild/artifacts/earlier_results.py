"""Results of earlier nights: OUTPUT/nights/NUMBER/NAME/ is what lay in OUTPUT/NAME/ when night NUMBER had ended.

Set aside (`nightly --keep`) just before a build may replace it: files of an output directory are only ever replaced by
rename(2) (output_directory.py), so a hard link costs nothing until then. Logs are written in place, so they are copied.
"""

from __future__ import annotations

import contextlib
import re
import shutil
from pathlib import Path

from imagebuild.artifacts.output_directory import REPORT
from imagebuild.errors import UsageError

NIGHTS = "nights"
_NUMBER = re.compile(r"[0-9]{6,}")
_NAMED = re.compile(r"(?P<name>.+)@(?P<back>-?)(?P<number>[1-9][0-9]*)")


def set_aside(output: Path, name: str, night: int) -> None:
    """Keep what lies in OUTPUT/NAME as the state after that night, where anything is there. Raises OSError."""
    source, target = output / name, output / NIGHTS / f"{night:06d}" / name
    if not (source / REPORT).is_file() or target.exists():
        return
    partial = target.with_name(f".{name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for path in sorted(source.iterdir()):
        if path.is_symlink() or not path.is_file() or path.name.startswith(".") or path.name.endswith(".partial"):
            continue
        if path.suffix == ".log":
            shutil.copy2(path, partial / path.name)
        else:
            (partial / path.name).hardlink_to(path)
    partial.rename(target)


def drop_unreplaced(output: Path, name: str, night: int) -> None:
    """Forget what was set aside, where the build has left the result as it was."""
    aside = output / NIGHTS / f"{night:06d}" / name
    with contextlib.suppress(OSError):
        if (aside / REPORT).samefile(output / name / REPORT):
            shutil.rmtree(aside)
            aside.parent.rmdir()  # only when it is empty


def prune_results(output: Path, last: int, keep: int) -> list[int]:
    """Remove all but the results of the `keep` nights that end with night `last`; returns the nights that are gone.

    Only directories with a night's number for a name, never what a symbolic link leads to.
    """
    gone = [number for number in _numbers(output) if number <= last - keep]
    for number in gone:
        path = output / NIGHTS / f"{number:06d}"
        doomed = path.with_name(f".{path.name}.partial")
        shutil.rmtree(doomed, ignore_errors=True)
        with contextlib.suppress(OSError):
            path.rename(doomed)  # gone at once, then file by file
        shutil.rmtree(doomed, ignore_errors=True)
    return gone


def earlier_result(path: Path) -> Path:
    """`out/web@-1`: the last result before the one in out/web; `out/web@12`: as it was after night 12. Any other path,
    and one that is there, is taken as it is. Raises UsageError for a night of which nothing is kept."""
    found = None if path.exists() else _NAMED.fullmatch(path.name)
    if found is None:
        return path
    name, output, number = found["name"], path.parent, int(found["number"])
    kept = [night for night in _numbers(output) if (output / NIGHTS / f"{night:06d}" / name).is_dir()]
    if found["back"]:
        chosen = kept[-number] if number <= len(kept) else None
    else:  # what was replaced after a later night was there after this one, too
        chosen = next((night for night in kept if night >= number), None)
        if chosen is None and (output / NIGHTS / f"{number:06d}.json").is_file():
            return output / name
    if chosen is None:
        there = ", ".join(f"@{night}" for night in kept) or "none"
        message = f"found no such result of an earlier night; there are: {there}"
        raise UsageError(str(path), f"{message} (imagebuild nightly --keep N keeps those of N nights)")
    return output / NIGHTS / f"{chosen:06d}" / name


def _numbers(output: Path) -> list[int]:
    with contextlib.suppress(OSError):
        directories = [path for path in (output / NIGHTS).iterdir() if path.is_dir() and not path.is_symlink()]
        return sorted(int(path.name) for path in directories if _NUMBER.fullmatch(path.name))
    return []
