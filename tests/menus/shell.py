"""GRUB 0.97's own shell (Debian's grub-legacy, unpacked in the Xen test host) as an oracle for menus.

One small image holds a whole batch of menus; the shell runs each of them. On a pipe it takes every prompt for a pressed
key, so a countdown ends with `Enter`, and what it says is the same each time.
"""

from __future__ import annotations

import re
import struct
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from imagebuild.bootloaders.menus.facts import Found, Missing
from imagebuild.bootloaders.menus.grub_legacy import interpret
from imagebuild.bootloaders.menus.grub_legacy.dialect import SHELL
from imagebuild.bootloaders.menus.grub_legacy.lines import config_lines
from imagebuild.bootloaders.menus.trace import End, Run, Step, Trace
from imagebuild.testhost.tools import GRUB_SHELL, Tools
from tests.menus.grammar import DEFAULT_FILE_ENTRY, INITRD, KERNEL, NO_KERNEL, OTHER_KERNEL, TEXT

_SILENT = frozenset(("pause", "password", "print"))
_KEYS = b"q" * 8
_MOST_OUTPUT_BYTES = 200_000
OTHER_MENU = b"timeout 0\ntitle other\nroot (hd0,0)\nkernel /boot/vmlinuz other\n"


def tiny_kernel() -> bytes:
    """What the shell takes for a bzImage: it has room for 3 MiB only."""
    image = bytearray(512 * 3 + 4096)
    image[0x1F1] = 2
    struct.pack_into("<H", image, 0x1FE, 0xAA55)
    image[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", image, 0x206, 0x0208)
    image[0x211] = 1
    struct.pack_into("<I", image, 0x22C, 0x7FFFFFFF)
    return bytes(image)


CONTENT = {
    KERNEL: tiny_kernel(),
    OTHER_KERNEL: tiny_kernel() + b"x" * 512,
    INITRD: b"initrd" * 50,
    TEXT: b"some text\n",
    NO_KERNEL: b"no kernel" * 100,
    "/m/other": OTHER_MENU,
    "/m/default": f"{DEFAULT_FILE_ENTRY}\n{'#' * 20}\n".encode(),
}
_LINKS = {"/link": "boot/vmlinuz", "/loop": "loop"}
_DIRECTORIES = ("/", "/boot", "/m")


class Ground:
    """The facts of the image that `make_image` makes, as the shell's ext2 code sees them."""

    def disks(self) -> int:
        return 1

    def partitions(self, disk: int) -> dict[int, int]:
        return {0: 0x83}

    def mounts(self, disk: int, partition: int | None) -> bool:
        return partition == 0

    def find(self, disk: int, partition: int | None, path: str) -> Found | Missing | None:
        """Names are walked one by one: `..` and `.` are entries of a directory; a name that is empty is not found."""
        at = "/"
        names = path[1:].split("/")
        for index, name in enumerate(names):
            at = {"..": "/", ".": at}.get(name) or f"{at.rstrip('/')}/{name}"
            at = at if at in CONTENT else {"/link": KERNEL}.get(at, at)
            if at == "/loop":
                return Missing(26)
            if (at not in _DIRECTORIES and at not in CONTENT) or not name:
                return Missing(15)
            if at in CONTENT and index < len(names) - 1:
                return Missing(2)
        return Found(len(CONTENT[at])) if at in CONTENT else Missing(2)

    def read(self, disk: int, partition: int | None, path: str, most_bytes: int) -> bytes | None:
        found = self._content(path)
        return None if found is None else found[:most_bytes]

    def boots(self, disk: int, partition: int | None, path: str) -> int | None:
        return 0 if (self._content(path) or b"")[0x202:0x206] == b"HdrS" else 13

    def _content(self, path: str) -> bytes | None:
        parts: list[str] = []
        for name in path.split("/"):
            if name == "..":
                parts = parts[:-1]
            elif name not in ("", "."):
                parts.append(name)
        plain = "/" + "/".join(parts)
        return CONTENT.get(KERNEL if plain == "/link" else plain)


def make_image(menus: Sequence[bytes], folder: Path) -> Path:
    """A disk with one ext3 partition (block-mapped, so that no hole matters) that holds the menus as /m/N.lst."""
    tree = folder / "tree"
    for path, content in CONTENT.items():
        (tree / path[1:]).parent.mkdir(parents=True, exist_ok=True)
        (tree / path[1:]).write_bytes(content)
    for path, target in _LINKS.items():
        (tree / path[1:]).symlink_to(target)
    for number, menu in enumerate(menus):
        (tree / "m" / f"{number}.lst").write_bytes(menu)
    part, image = folder / "part.raw", folder / "menus.raw"
    kib = 4096 + 4 * len(menus)
    _run("mke2fs", "-q", "-t", "ext3", "-b", "1024", "-N", str(len(menus) + 200), "-d", str(tree), str(part), str(kib))
    with image.open("wb") as file:
        file.truncate((kib + 1024) * 1024)
        file.seek(2**20)
        file.write(part.read_bytes())
    table = f"label: dos\nstart=2048, size={kib * 2}, type=83\n"
    subprocess.run(["/usr/sbin/sfdisk", "-q", str(image)], input=table, text=True, check=True, capture_output=True)
    part.unlink()
    return image


def _run(*argv: str) -> None:
    subprocess.run(argv, check=True, capture_output=True, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"})


class Shell:
    """Runs menus of an image."""

    def __init__(self, tools: Tools, image: Path) -> None:
        self._map = image.with_suffix(".map")
        self._map.write_text(f"(hd0) {image}\n")
        libraries = f"{tools.root / 'lib32'}:{tools.root / 'usr/lib32'}"
        # Where the kernel places its memory at random, it does not find the file of `default saved` in one of 15 runs.
        self._argv = [
            "setarch", "-R",
            str(tools.root / "lib32/ld-linux.so.2"), "--library-path", libraries, str(tools.root / GRUB_SHELL),
            "--no-curses", "--no-floppy", "--no-pager", "--read-only", f"--device-map={self._map}",
        ]  # fmt: skip

    def run(self, number: int, *, enter: bool) -> bytes:
        """What it says about the image's menu /m/NUMBER.lst. `enter`: press Enter once, for a countdown."""
        argv = [*self._argv, f"--config-file={name_of(number)}"]
        done = subprocess.run(
            argv, input=(b"\n" if enter else b"") + _KEYS, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=30
        )
        return done.stdout[:_MOST_OUTPUT_BYTES]


def name_of(number: int) -> str:
    return f"(hd0,0)/m/{number}.lst"


def wants_enter(trace: Trace) -> bool:
    return trace.timeout_seconds is None or (trace.timeout_seconds > 0 and not trace.hidden)


def traced(menu: bytes, number: int) -> Trace:
    return interpret(menu, name_of(number), Ground(), SHELL)


@dataclass(frozen=True)
class Said:
    """What can be compared: the menu's titles, its countdown, and line by line what was run."""

    titles: tuple[str, ...]
    countdown: str
    lines: tuple[str, ...]


_COUNTDOWN = re.compile(r"Entry (\d+) will be booted automatically in (\d+) seconds")
_HIDDEN = re.compile(r"Press `ESC' to enter the menu\.\.\. (\d+)")
_HIGHLIGHTED = re.compile(r"Highlighted entry is (\d+)")
_TRACED_SECTOR = re.compile(r"\[\d+,\d+,\d+\]")  # what `fstest` prints between the words
_TITLE = re.compile(r" ?\d+: (.*)", re.DOTALL)
_LOADED = re.compile(
    r"\s*\[Linux-(?:(bzImage), setup=0x[0-9a-f]+, size=(0x[0-9a-f]+)|(initrd) @ 0x[0-9a-f]+, (0x[0-9a-f]+) bytes)\]"
)


def heard(output: bytes, menus: Sequence[bytes]) -> Said:
    """The shell's words, without what does not matter; `menus` are those that it may have run (echoes are theirs)."""
    text = output.decode("utf-8", "surrogateescape").replace("\r", "")
    text = _TRACED_SECTOR.sub("", text)
    echoes = {line.text for menu in menus for line in config_lines(menu)}
    titles: list[str] = []
    rules = 0
    lines: list[str] = []
    for line in text.split("\n"):
        if line == "-" * 67:
            rules += 1
            lines += ["menu"] if rules % 2 else []
        elif rules == 1 and (match := _TITLE.fullmatch(line)):
            titles.append(match[1])
        elif (kept := _kept(line, echoes)) is not None:
            lines.append(kept)
    return Said(tuple(titles), _countdown(text), tuple(lines))


def _kept(line: str, echoes: set[str]) -> str | None:
    if line in echoes or line.startswith(("Error ", "Press any key")):
        return line
    if line.startswith("?") and (glued := next((echo for echo in echoes if echo and line.endswith(echo)), None)):
        return glued  # behind a file without a line's end, which `cat` printed
    if "  Booting '" in line:
        return line[line.index("Booting '") :]
    if match := _LOADED.fullmatch(line):
        return f"loaded {match[1] or match[3]} {int(match[2] or match[4], 16)}"
    return None


def _countdown(text: str) -> str:
    if match := _HIDDEN.search(text):
        return f"hidden, {int(match[1]) + 1} s"
    before = text.split("Booting '")[0]
    if match := _COUNTDOWN.search(before):
        return f"entry {match[1]} in {match[2]} s"
    if match := _HIGHLIGHTED.search(before):
        return f"waits at entry {match[1]}"
    return "at once"


def expected(trace: Trace) -> Said:
    """What the shell has to say, if the trace is right."""
    titles = () if trace.hidden else tuple(entry.title for entry in trace.entries)
    seconds = trace.timeout_seconds
    if trace.hidden and seconds:
        return Said((), f"hidden, {seconds} s", ())
    if seconds is None:
        countdown = f"waits at entry {trace.default}"
    else:
        countdown = f"entry {trace.default} in {seconds} s" if seconds else "at once"
    shown = [] if trace.hidden else ["menu"]
    lines = list(shown)
    for run in trace.runs:
        lines += _of_run(run)
        if run.other_menu:
            lines += shown
    last = trace.runs[-1]
    lines += {End.FAILS: ["Press any key to continue...", "menu"], End.WAITS_AT_MENU: ["menu"]}.get(last.end, [])
    return Said(titles, countdown, tuple(lines))


def _of_run(run: Run) -> list[str]:
    lines = [f"Booting '{run.title}'"]
    for step in run.steps:
        if step.line is not None and step.command not in _SILENT:
            lines.append(step.line.text)
        if step.error is not None:
            lines += [*_of_another_type(step), str(step.error)]
        elif run.end is End.UNKNOWN and step is run.steps[-1]:
            continue
        elif step.file is not None and step.command in ("kernel", "initrd", "module", "modulenounzip"):
            lines.append(_loaded(step.command, step.file.path))
    return lines


def _of_another_type(step: Step) -> list[str]:
    """A kernel that is no `--type=` of what it is gets loaded first, and refused then."""
    if step.command != "kernel" or step.error is None or step.error.number != 13 or step.file is None:
        return []
    is_kernel = Ground().boots(0, 0, step.file.path) == 0
    return [_loaded(step.command, step.file.path)] if is_kernel else []


def _loaded(command: str, path: str) -> str:
    found = Ground().read(0, 0, path, 2**20)
    assert found is not None
    return f"loaded bzImage {len(found) - 1536}" if command == "kernel" else f"loaded initrd {len(found)}"


def disagreement(trace: Trace, output: bytes, menus: Sequence[bytes]) -> str | None:
    """How the trace and the shell's words differ; None when they agree as far as the trace goes."""
    said = heard(output, menus)
    if trace.end is End.NO_ENTRY:
        return None if b"grub> " in output and "menu" not in said.lines else f"no entry, but: {said}"
    if trace.end is End.UNKNOWN and not trace.runs:
        return None
    wanted = expected(trace)
    if trace.end is End.UNKNOWN or (trace.runs and trace.runs[-1].end is End.UNKNOWN):
        said = Said(said.titles, said.countdown, said.lines[: len(wanted.lines)])
    if wanted.countdown.startswith("hidden"):
        said = Said((), said.countdown, ())
    if trace.hidden:
        said = Said((), said.countdown, said.lines)
    return None if said == wanted else f"expected {wanted}\n     heard {said}"
