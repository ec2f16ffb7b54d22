"""What all tools are to build: one package list, one tree, one kind of filesystem; and what a measurement is."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parent.parent
SUITE = "bookworm"
# As recipes/debian-12-hd0.yaml: a kernel, an initrd, an init. Variant minbase, no recommended packages.
PACKAGES = ("linux-image-amd64", "initramfs-tools", "zstd", "systemd-sysv", "udev", "dbus")
IMAGE_MIB = 2000  # for the tools that want to be told: the tree has 650 MiB, mkinitramfs takes 300 more for a while
LIMIT_SECONDS = 600.0
_METER = Path(__file__).with_name("meter.py")


@dataclass(frozen=True, slots=True)
class Place:
    """`folder`: all files of the benchmark. `mirror`: the shared cache of packages, as a Debian mirror."""

    folder: Path
    mirror: str

    @property
    def tree(self) -> Path:
        """The tree as a tar archive, as mmdebstrap makes it."""
        return self.folder / "tree.tar"

    def fresh(self, name: str) -> Path:
        """An empty folder of that name."""
        folder = self.folder / name
        _unmount_below(folder)
        subprocess.run(["rm", "-rf", "--one-file-system", str(folder)], check=True)
        folder.mkdir(parents=True)
        return folder


@dataclass(frozen=True, slots=True)
class Task:
    """One thing to measure. `before` is not measured; `image` is checked for a kernel and an initrd afterwards.

    `kind`: cold, warm, assembly ext4 …; `again`: whether it is measured `--rounds` times for warm tasks.
    """

    tool: str
    kind: str
    words: Sequence[str]
    image: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    before: Callable[[], None] = lambda: None
    folder: Path | None = None

    @property
    def name(self) -> str:
        return f"{self.tool}: {self.kind}"


@dataclass(frozen=True, slots=True)
class Measured:
    """What one run cost; `reason` says why there are no numbers, `initrd` whether the image holds one."""

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_memory_bytes: int = 0
    written_bytes: int = 0
    initrd: bool | None = None
    reason: str = ""


def measure(task: Task, place: Place) -> Measured:
    """Run the task once, under a limit. Never raises for a tool that fails: the measurement says why."""
    import os

    task.before()
    subprocess.run(["sync"], check=True)
    logs = place.folder / "logs"
    logs.mkdir(exist_ok=True)
    log, result = logs / (task.name.replace(": ", "-").replace(" ", "-") + ".log"), place.folder / "meter.json"
    result.unlink(missing_ok=True)
    environment = {**os.environ, "LC_ALL": "C.UTF-8", **task.environment}
    words = [
        "setpriv",
        "--pdeathsig",
        "TERM",
        "--",
        sys.executable,
        str(_METER),
        str(result),
        str(LIMIT_SECONDS),
        *task.words,
    ]
    with log.open("wb") as output:
        subprocess.run(words, stdout=output, stderr=output, env=environment, cwd=task.folder or place.folder)
    if not result.is_file():
        return Measured(reason=_last_words(log))
    numbers = json.loads(result.read_text())
    exit_code = numbers.pop("exit_code")
    if exit_code == -9:
        return Measured(reason=f"not ready after {LIMIT_SECONDS:.0f} s")
    if exit_code != 0:
        return Measured(reason=_last_words(log))
    return Measured(**numbers, initrd=holds_initrd(task.image) if task.image else None)


def holds_initrd(image: Path) -> bool | None:
    """Whether the first ext filesystem in the image has an initrd in /boot; None: no such filesystem."""
    table = subprocess.run(["sfdisk", "--json", str(image)], capture_output=True, text=True).stdout
    partitions = json.loads(table)["partitiontable"]["partitions"] if table else []
    for offset in (0, *(partition["start"] * 512 for partition in partitions)):
        words = ["debugfs", "-R", "ls -p /boot", f"{image}?offset={offset}"]
        found = subprocess.run(words, capture_output=True, text=True, errors="replace").stdout
        if "vmlinuz" in found:
            return "initrd.img-" in found
    return None


def _unmount_below(folder: Path) -> None:
    """What a tool left mounted when it was ended: a removal must not reach through a bind mount."""
    places = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for place in reversed([place for place in places if place.startswith(f"{folder}/")]):
        subprocess.run(["umount", "--lazy", place], check=True)


def _last_words(log: Path) -> str:
    """The last lines that say something, for the page."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    telling = [line for line in lines if any(word in line.lower() for word in ("error", "failed", "cannot", "no such"))]
    return " / ".join((telling or lines)[-2:])[:300] or "it said nothing"


def disk_bytes(path: Path) -> int:
    """What a sparse file occupies."""
    return path.stat().st_blocks * 512


def have(program: str) -> bool:
    return shutil.which(program) is not None
