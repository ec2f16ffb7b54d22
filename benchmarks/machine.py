"""The machine that was measured on, and the versions of what was measured."""

from __future__ import annotations

import platform
import subprocess
import time
from pathlib import Path

from imagebuild.host.acceleration import accelerator
from imagebuild.host.cache import Cache

_PACKAGES = ("mmdebstrap", "guestfs-tools", "vmdb2", "mkosi", "debos", "debootstrap", "e2fsprogs", "initramfs-tools")


def description(folder: Path) -> dict[str, str]:
    """Words for the page: processor, memory, kernel, storage, versions."""
    processor = next(
        (line.split(":")[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")), ""
    )
    memory = next(int(line.split()[1]) for line in _lines("/proc/meminfo") if line.startswith("MemTotal"))
    storage = _output("findmnt", "-n", "-o", "FSTYPE,SOURCE", "--target", str(folder))
    found = {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "processor": f"{processor}, {_output('nproc')} of them",
        "memory": f"{memory / 2**20:.0f} GiB",
        "system": f"{platform.freedesktop_os_release().get('PRETTY_NAME', '')}, Linux {platform.release()}",
        "storage": storage,
        "hardware virtualisation": "yes" if accelerator(Cache()) == "kvm" else "none that works: QEMU translates (TCG)",
        "imagebuild": _output("git", "describe", "--always"),
    }
    for package in _PACKAGES:
        version = _output("dpkg-query", "-W", "-f", "${Version}", package)
        if version:
            found[package] = version
    pip = folder / "dib" / "bin" / "pip"
    if pip.exists():
        shown = dict(
            line.split(": ", 1) for line in _output(str(pip), "show", "diskimage-builder").splitlines() if ": " in line
        )
        found["diskimage-builder"] = shown.get("Version", "")
    return found


def _lines(path: str) -> list[str]:
    return Path(path).read_text(errors="replace").splitlines()


def _output(*words: str) -> str:
    try:
        return subprocess.run(words, capture_output=True, text=True).stdout.strip()
    except OSError:
        return ""
