"""Cases as data: several in one text file, each with the files that it consists of and the text that must come out.

    [case NAME]
    [file recipe.yaml]      the lines of a file, exactly, up to the next header
    [bytes keys/binary]     a file that is no plain text: a copy of bytes/NAME/keys/binary beside the data file
    [out]                   what must come out: the last part of a case; an empty line parts it from the next case

A line of exactly one of these four forms is a header. What stands before the first case is a comment. mypy keeps its
test data in this way.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

_HEADER = re.compile(r"^\[(case|file|bytes|out)(?: (\S+))?\]\n", re.MULTILINE)


class MalformedCaseError(ValueError):
    """A case is not of the form above."""


@dataclass(frozen=True)
class Part:
    """A header and the lines below it."""

    kind: str
    name: str
    text: str

    def written(self) -> str:
        return f"[{self.kind} {self.name}]\n{self.text}" if self.name else f"[{self.kind}]\n{self.text}"


@dataclass(frozen=True)
class Case:
    """One case of a data file."""

    name: str
    data_file: Path
    files: tuple[Part, ...]  # kinds "file" and "bytes"
    out: str

    def make_files(self, directory: Path) -> None:
        """Write the files of this case into a directory."""
        for part in self.files:
            path = directory / part.name
            path.parent.mkdir(parents=True, exist_ok=True)
            if part.kind == "file":
                path.write_text(part.text, encoding="utf-8", newline="")
            else:
                path.write_bytes((self.data_file.parent / "bytes" / self.name / part.name).read_bytes())

    def written(self) -> str:
        """The case as it stands in a data file."""
        parts = [Part("case", self.name, ""), *self.files, Part("out", "", self.out)]
        return "".join(part.written() for part in parts)


@dataclass(frozen=True)
class DataFile:
    """A data file: the comment at its top, and its cases."""

    comment: str
    cases: tuple[Case, ...]

    def written(self) -> str:
        return self.comment + "\n".join(case.written() for case in self.cases)


def read_cases(path: Path) -> DataFile:
    """Read a data file. Raises MalformedCaseError."""
    comment, *pieces = _HEADER.split(path.read_text(encoding="utf-8"))
    parts = [Part(kind, name or "", text) for kind, name, text in zip(*[iter(pieces)] * 3, strict=True)]
    starts = [at for at, part in enumerate(parts) if part.kind == "case"]
    if parts and starts[:1] != [0]:
        raise MalformedCaseError(f"{path.name}: the first header is not [case NAME]")
    ends = [*starts[1:], len(parts)]
    return DataFile(comment, tuple(_case(path, parts[a:b]) for a, b in zip(starts, ends, strict=False)))


def _case(path: Path, parts: list[Part]) -> Case:
    head, files, out = parts[0], parts[1:-1], parts[-1]
    if out.kind != "out" or not files or {part.kind for part in files} - {"file", "bytes"}:
        raise MalformedCaseError(f"{path.name}: {head.name}: a case is [case], then [file] or [bytes], then [out]")
    if head.text or not all(part.name for part in (head, *files)) or any(p.text for p in files if p.kind == "bytes"):
        raise MalformedCaseError(f"{path.name}: {head.name}: text below [case] or [bytes], or a header without a name")
    return Case(head.name, path, tuple(files), out.text.rstrip("\n") + "\n")


def replace_out(case: Case, out: str) -> None:
    """Put another expected text into a case's data file."""
    data = read_cases(case.data_file)
    cases = tuple(replace(other, out=out) if other.name == case.name else other for other in data.cases)
    case.data_file.write_text(replace(data, cases=cases).written(), encoding="utf-8")
