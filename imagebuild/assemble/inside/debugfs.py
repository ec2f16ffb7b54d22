"""Changes an ext filesystem with debugfs (e2fsprogs), which needs neither a mount nor privileges."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote_to_bytes

from imagebuild.errors import BuildError
from imagebuild.formats.text import escaped
from imagebuild.host import command
from imagebuild.plan.disk_vocabulary import MakeExt, PopulateStep
from imagebuild.rootfs import times

_COMPLAINTS_SHOWN = 25


def change(target: Path, offset: int, script: Sequence[str], *, doing: str, epoch: int) -> None:
    """Run the commands on the filesystem at `offset` of the file `target`, as of the moment `epoch`.

    Raises BuildError with debugfs' complaints: it ends with 0 whatever happened.
    """
    _attend(["-w", "-f", "-", f"{target}?offset={offset}"], script, doing=doing, epoch=epoch)


def take_out(source: Path, files: Sequence[tuple[str, Path]]) -> None:
    """Copy the content of files of the filesystem in `source` to where the second of each pair says."""
    script = [f"dump {quoted(name)} {quoted(str(path))}" for name, path in files]
    if script:
        _attend(["-f", "-", str(source)], script, doing="reading files of the populated filesystem", epoch=0)


def _attend(argv: list[str], script: Sequence[str], *, doing: str, epoch: int) -> None:
    output = command.run(
        ["debugfs", *argv],
        doing=doing,
        stdin=os.fsencode("\n".join(script) + "\n"),
        environment=times.fake_time(epoch),
    )
    # It echoes its commands after a prompt; anything else but its banner is a complaint.
    complaints = [line for line in output.splitlines()[1:] if line.strip() and not line.startswith("debugfs:")]
    complaints = [line for line in complaints if not line.startswith("Allocated inode:")]
    if complaints:
        full = any("Could not allocate" in line for line in complaints)
        raise BuildError(
            f"{doing} failed" + (": there is not enough space" if full else ""),
            details="\n".join(complaints[:_COMPLAINTS_SHOWN]),
            resolution="make it larger, or leave sizes out" if full else "",
        )


def quoted(text: str) -> str:
    """As one word of debugfs: it doubles a quotation mark. Raises BuildError for a name with a line break."""
    if "\n" in text:
        raise BuildError(
            f"{escaped(text)}: a name with a line break cannot be written into a finished filesystem",
            resolution="give it another name",
        )
    return '"' + text.replace('"', '""') + '"'


def belongs(step: PopulateStep, path: str) -> bool:
    """Whether a path of the tree lies in this filesystem."""

    def below(directory: str) -> bool:
        return path == directory or path.startswith(directory.rstrip("/") + "/")

    return below(step.mountpoint) and not any(below(other) for other in step.excluded)


def within(step: MakeExt, path: str) -> str:
    """A path of the tree as the filesystem has it."""
    return (path.removeprefix(step.mountpoint) if step.mountpoint != "/" else path) or "/"


def decoded(path: str) -> str:
    """A name as the facts hold it (percent-encoded: a name is bytes)."""
    return os.fsdecode(unquote_to_bytes(path))
