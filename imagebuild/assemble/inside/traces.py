"""Takes traces out of the tree, after chroot(2)."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from imagebuild.assemble.inside.directories import make_directory
from imagebuild.formats.machine_traces import UNINITIALIZED, expand
from imagebuild.plan.system_vocabulary import RemoveTraces


def remove_traces(edit: RemoveTraces) -> None:
    """Remove and empty what is there, but for what the recipe put there itself."""
    has_removed = False
    for path in _matches(edit.removed, edit.spared):
        if path.is_dir() and not path.is_symlink():
            has_removed = _remove_below(path, edit.spared) or has_removed
        else:
            path.unlink()
            has_removed = True
    for path in _matches(edit.emptied, edit.spared):
        if path.is_file() and not path.is_symlink() and path.stat().st_size:
            if path.stat().st_size < 64 and path.read_bytes().strip() == UNINITIALIZED:
                continue
            os.truncate(path, 0)
    if has_removed and edit.then_path is not None and any(Path(beside).exists() for beside in edit.then_beside):
        target = Path(edit.then_path)
        if not target.exists():
            make_directory(target.parent)
            target.write_text(edit.then_content)
            target.chmod(0o644)


def _remove_below(folder: Path, spared: tuple[str, ...]) -> bool:
    if any(path.startswith(f"{folder}/") for path in spared):
        return False  # what the recipe put into it is its own, and so is the folder
    shutil.rmtree(folder)
    return True


def _matches(patterns: tuple[str, ...], spared: tuple[str, ...]) -> Iterator[Path]:
    for pattern in patterns:
        if pattern.endswith("/**"):
            found = [f"{top}/{name}" for top, _folders, names in os.walk(pattern[:-3]) for name in names]
        else:
            found = [path for path in expand(pattern, _names) if os.path.lexists(path)]
        yield from (Path(path) for path in sorted(found) if path not in spared)


def _names(folder: str) -> list[str]:
    return [path.name for path in Path(folder).iterdir()] if Path(folder).is_dir() else []
