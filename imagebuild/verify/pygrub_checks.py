"""The check pygrub: Xen's other reader of menu.lst, which runs in dom0 and takes kernel and initrd out of the image."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from imagebuild.bootloaders.menu_choice import choice
from imagebuild.bootloaders.table import OPAQUE, verdict_on
from imagebuild.formats.text import excerpt
from imagebuild.image.boot_files import EntryFiles, entry_files
from imagebuild.image.witness import ask
from imagebuild.limits import BOOT_FILE
from imagebuild.verify.view import Finding, View, failed, passed, skipped, warned

_TIMEOUT_SECONDS = 60
_USING = re.compile(r"^Using <class '[\w.]+'> to parse (?P<path>.+)$", re.M)


@dataclass(frozen=True, slots=True)
class Taken:
    """What pygrub took out. `problem` is empty when it came to its end; `configuration` is the file that it read."""

    kernel: bytes
    initrd: bytes | None
    configuration: str
    problem: str


def pygrub(view: View) -> Iterator[Finding]:
    """pygrub takes the default entry's kernel and initrd out of the image, byte for byte."""
    place = view.subject.boot_place
    menu = view.subject.menu
    if place is None or place.type in OPAQUE or menu is None:
        yield skipped("there is no menu on a filesystem that pygrub could read")
        return
    refused = [rule for rule in verdict_on("pygrub", place.contents) if rule.refused]
    if refused and view.loader != "pygrub":
        yield skipped(f"pygrub cannot read {place.type}: {refused[0].reason}")
        return
    taken = _run(view)
    problem = taken.problem or _difference(view, taken)
    shown = f"by {excerpt(taken.configuration) or 'no configuration'}"
    if not problem:
        yield passed(f"{shown}: kernel of {len(taken.kernel)} bytes, initrd of {len(taken.initrd or b'')}")
    elif view.loader == "pygrub":
        yield failed(f"{shown}: {problem}")
    else:
        yield warned(f"{shown}: {problem}; the requested loader is {view.loader}")


def _run(view: View) -> Taken:
    with tempfile.TemporaryDirectory(prefix="pygrub-", dir=view.subject.scratch) as name:
        folder = Path(name)
        argv, environment = view.subject.tools.pygrub()
        options = ["-q", "--output-format=simple", f"--output-directory={folder.name}", view.subject.raw.name]
        looked = ask(
            [*argv, *options],
            name="pygrub",
            answers=(0, 1),
            environment=environment,
            folder=view.subject.raw.parent,
            timeout_seconds=_TIMEOUT_SECONDS,
            most_file_bytes=BOOT_FILE.most,
            writes_into=folder,
        )
        using = _USING.findall(looked.text)
        answers = dict(re.findall(r"^(kernel|ramdisk) (\S+)$", looked.text, re.M))
        contents = {}
        for role, path in answers.items():
            found = folder / Path(path).name
            if found.is_file() and not found.is_symlink():
                contents[role] = found.read_bytes()
        problem = ""
        if looked.end != "itself":
            problem = f"it did not finish ({looked.end})"
        elif looked.exit_code != 0 or "kernel" not in contents:
            problem = f"it ended with {looked.exit_code}: {looked.last_words(200)}"
        return Taken(contents.get("kernel", b""), contents.get("ramdisk"), using[-1] if using else "", problem)


def _difference(view: View, taken: Taken) -> str:
    """How what pygrub took differs from the menu's entry; empty when it does not."""
    menu = view.subject.menu
    assert menu is not None
    chosen = choice(menu, "pygrub")
    files = entry_files(view.subject, chosen.entry) if chosen.entry is not None else None
    if not isinstance(files, EntryFiles):
        return f"the menu's entry for pygrub cannot be read: {files.reason if files else chosen.reason}"
    if taken.kernel != files.kernel:
        return f"it took another kernel than menu.lst's entry {chosen.entry} ({excerpt(files.title)}) names"
    if (taken.initrd or b"") != (files.initrd or b""):
        return f"it took another initrd than menu.lst's entry {chosen.entry} ({excerpt(files.title)}) names"
    return ""
