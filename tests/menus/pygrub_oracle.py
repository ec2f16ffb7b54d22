"""Xen's own pygrub on generated menus: the real program, with a filesystem library that reads from memory.

`run_pygrub` starts the tree's Python once and lets it run pygrub's script for each menu, as `pygrub -q -n IMAGE` does.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

from imagebuild.bootloaders.menus.facts import Found, Missing
from imagebuild.bootloaders.menus.pygrub import interpret
from imagebuild.bootloaders.menus.trace import End, Trace
from imagebuild.testhost.tools import Tools
from tests.menus.grammar import FILES

# Runs inside the tree's Python. What pygrub calls a filesystem is this class; the image itself is an empty file.
_DRIVER = """
import contextlib, io, json, os, re, runpy, sys, types

program, image, files = sys.argv[1], sys.argv[2], set(json.loads(sys.argv[3]))
sys.path[0] = os.path.dirname(program)  # it looks for its modules from there
menu = b""

class File:
    def read(self, size, offset=0):
        return menu[offset:offset + size]

class Filesystem:
    def file_exists(self, path):
        return path == "/boot/grub/menu.lst" or path in files
    def open_file(self, path):
        return File()

library = types.ModuleType("xenfsimage")
library.open = lambda *arguments: Filesystem()
library.getbootstring = lambda fs: None
sys.modules["xenfsimage"] = library
code = compile(open(program).read(), program, "exec")
answers = []
for line in sys.stdin:
    menu = bytes.fromhex(line)
    sys.argv = [program, "-q", "-n", "--output-format=sxp", "--output=out", "--output-directory=.", image]
    said, listed, end = io.StringIO(), [], ""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
        names = {"__name__": "__main__", "__file__": program}
        open("out", "w").close()
        try:
            exec(code, names)
        except SystemExit as left:
            end = str(left.code)
        except RuntimeError as wrong:
            end = str(wrong)
    chosen = names.get("chosencfg") or {}
    cf = getattr(names.get("g"), "cf", None)
    images = [[i.title, i.kernel and i.kernel[1], i.args, i.initrd and i.initrd[1]] for i in cf.images] if cf else []
    chose = {"kernel": chosen.get("kernel"), "initrd": chosen.get("ramdisk"), "args": chosen.get("args")}
    answers.append({"end": end, "images": images, **chose})
print(json.dumps(answers))
"""


class Ground:
    """The files that the oracle's filesystem has."""

    def disks(self) -> int:
        return 1

    def partitions(self, disk: int) -> None:
        return None

    def mounts(self, disk: int, partition: int | None) -> bool:
        return True

    def find(self, disk: int, partition: int | None, path: str) -> Found | Missing:
        return Found(1) if path in (*FILES, "/boot/grub/menu.lst") else Missing(15)

    def read(self, disk: int, partition: int | None, path: str, most_bytes: int) -> bytes | None:
        return None

    def boots(self, disk: int, partition: int | None, path: str) -> int | None:
        return 0


def run_pygrub(tools: Tools, menus: Sequence[bytes], folder: Path) -> list[dict[str, object]]:
    """What pygrub answers to each menu."""
    argv, environment = tools.pygrub()
    python, program = argv[:-1], argv[-1]
    image = folder / "empty.raw"
    image.write_bytes(bytes(1024 * 1024))
    driver = folder / "driver.py"
    driver.write_text(_DRIVER)
    done = subprocess.run(
        [*python, "-W", "ignore", str(driver), program, str(image), json.dumps(FILES)],
        input="".join(f"{menu.hex()}\n" for menu in menus), text=True, capture_output=True, check=False,
        env={**environment, "PATH": "/usr/bin:/bin"}, cwd=folder,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    answers: list[dict[str, object]] = json.loads(done.stdout.splitlines()[-1])
    return answers


def traced(menu: bytes) -> Trace:
    return interpret(menu, 0, None, Ground(), terminal=False)


def disagreement(trace: Trace, answer: dict[str, object]) -> str | None:
    """How the trace and pygrub's answer differ; None when they agree."""
    started = trace.end is End.STARTS
    if started != (answer["end"] == ""):
        return f"{trace.end} ({trace.reason}), but pygrub: {answer}"
    if not trace.runs:
        return None
    loaded = trace.runs[0].loaded
    mine = (
        loaded.kernel.path if loaded.kernel else None,
        loaded.initrd.path if loaded.initrd else None,
        loaded.command_line,
    )
    theirs = (answer["kernel"], answer["initrd"] or None, answer["args"] or "")
    if started and mine != theirs:
        return f"{mine}, but pygrub: {theirs}"
    images = answer["images"]
    assert isinstance(images, list)
    titles = [image[0] for image in images]
    if [entry.title for entry in trace.entries] != titles:
        return f"{[entry.title for entry in trace.entries]}, but pygrub's entries: {titles}"
    return None
