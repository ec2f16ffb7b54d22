"""What is asked of a verification, and what comes out of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from imagebuild.report import Boot, Check, ImageFacts, Stage, Verdict
from imagebuild.vocabulary import DEFAULT_LOADER, BootLoader, DiskBus, MachineName


@dataclass(frozen=True)
class BootSettings:
    """How one machine boots the image. `timeout_seconds` is for a quiet two-core machine without KVM: it grows with
    how slow this one is. `expect` is the text that proves the boot. `disk`: how a PC's disk is attached."""

    timeout_seconds: float = 300
    memory_bytes: int = 512 * 2**20
    expect: str = "login:"
    disk: DiskBus = "virtio"


@dataclass(frozen=True)
class Request:
    """`machines`: those that judge; none: those that the image makes itself out to start on (image/boot_code.py).

    `output`: an existing folder for the console logs. `pv_grub`: a genuine PV-GRUB to use under Xen. `loader`: the
    one that the image is meant for, whose rules the static checks judge by. `fallback`: after a good boot under Xen,
    prove the menu's fallback by another one (fallback.py). `strict_fallback`: one that cannot start makes it bad.
    `sha256`: the image's, where it is known already. `anew`: judge, whatever is kept (kept.py)."""

    image: Path
    output: Path
    machines: tuple[MachineName, ...]
    qemu: BootSettings = BootSettings()
    xen: BootSettings = BootSettings()
    pvh: BootSettings = BootSettings()
    bios: BootSettings = BootSettings()
    uefi: BootSettings = BootSettings()
    pv_grub: Path | None = None
    loader: BootLoader = DEFAULT_LOADER
    fallback: bool = True
    strict_fallback: bool = False
    sha256: str | None = None
    anew: bool = False

    def settings(self, machine: MachineName) -> BootSettings:
        """Those of a machine that boots."""
        found = {"qemu": self.qemu, "xen": self.xen, "pvh": self.pvh, "bios": self.bios, "uefi": self.uefi}
        return found[machine]


@dataclass(frozen=True)
class Verification:
    """`unverified_because` is empty unless the verdict is UNVERIFIED. `complete`: every machine could judge.

    `kept_at`: when these bytes were judged, for a verdict that was kept (ISO 8601, UTC); empty: just now."""

    image: ImageFacts
    checks: tuple[Check, ...]
    boots: tuple[Boot, ...]
    stages: tuple[Stage, ...]
    verdict: Verdict
    unverified_because: str = ""
    complete: bool = True
    kept_at: str = ""
