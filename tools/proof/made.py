"""Images made by imagebuild itself, each booted to its login prompt by the genuine PV-GRUB."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imagebuild.events import Quiet
from imagebuild.host.cache import Cache
from imagebuild.operations.image import build_image
from imagebuild.recipe.load import load_recipe
from imagebuild.report import Outcome, Verdict
from imagebuild.verify.runner import Request, verify_image
from tools.matrix.combinations import ROOTFS

# On a busy machine without KVM udev is later than the 90 s that systemd waits for a device: no login prompt comes then,
# or the emergency shell (both seen). console-getty's prompt waits for no device.
_COMMAND_LINE = "ro console=hvc0 systemd.wants=console-getty.service"
_PATIENCE = {
    "path": "/etc/systemd/system.conf.d/patience.conf",
    "content": "[Manager]\nDefaultTimeoutStartSec=900\nDefaultDeviceTimeoutSec=900\n",
}


@dataclass(frozen=True)
class Made:
    """A recipe's `disk`; the tree is the one of the matrix, so that it is bootstrapped once for both."""

    name: str
    about: str
    disk: dict[str, Any]

    @property
    def recipe(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "rootfs": ROOTFS,
            "files": [_PATIENCE],
            "disk": self.disk,
            "system": {"hostname": "proof"},
            "boot": {"command_line": _COMMAND_LINE},
        }


@dataclass(frozen=True)
class MadeResult:
    """`why`: the loader's or the guest's last words, or a failed check; `seconds`: of the boot."""

    verdict: Verdict
    why: str
    seconds: float
    date: str


def _boot_partition(kind: str, size: str = "256MiB") -> dict[str, Any]:
    boot = {"mount": "/boot", "size": size, "filesystem": kind}
    root = {"mount": "/", "size": "rest", "filesystem": "ext4"}
    return {"layout": "hd00", "table": "mbr", "partitions": [boot, root]}


MADE: tuple[Made, ...] = (
    Made("made-hd0-ext4", "hd0, ext4", {"layout": "hd0", "filesystem": {"type": "ext4", "label": "root"}}),
    Made("made-hd00-ext3", "hd00, /boot ext3, root ext4", _boot_partition("ext3")),
    Made("made-hd00-xfs", "hd00, /boot XFS V4, root ext4", _boot_partition("xfs", "400MiB")),
    Made("made-hd00-reiserfs", "hd00, /boot ReiserFS, root ext4", _boot_partition("reiserfs")),
)


def judge_made(item: Made, cache: Cache, folder: Path, pv_grub: Path) -> MadeResult:
    """Build it in `folder` and let the genuine loader boot it; the static checks have to pass as well."""
    recipe = folder / f"{item.name}.yaml"
    recipe.write_text(json.dumps(item.recipe), encoding="utf-8")  # JSON is YAML
    image = folder / f"{item.name}.raw"
    build_image(load_recipe(recipe), image, cache=cache, progress=Quiet(), secrets={})
    request = Request(image, folder, ("static", "xen"), pv_grub=pv_grub, fallback=False)
    found = verify_image(request, cache=cache, progress=Quiet())
    image.unlink()
    assert {boot.loader.kind for boot in found.boots} <= {"pv-grub"}
    failures = [f"{check.name}: {check.detail}" for check in found.checks if check.outcome is Outcome.FAILED]
    why = "; ".join(failures) or found.unverified_because or found.boots[0].detail
    seconds = found.boots[0].seconds if found.boots else 0.0
    return MadeResult(found.verdict, why, round(seconds), time.strftime("%Y-%m-%d", time.gmtime()))
