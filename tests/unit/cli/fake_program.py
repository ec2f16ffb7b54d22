"""The real command line with another toolbox: builds and verifications that end as FAKE_BUILD and FAKE_VERIFY say.

    FAKE_BUILD   made (default) · slow · fails · network · fills · no-space · bug
    FAKE_VERIFY  passed (default) · failed · nothing · not-booted · error · lacking · slow · notes

`slow` says READY in the log's and the screen's way, and then waits for a signal.
"""

from __future__ import annotations

import errno
import hashlib
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from imagebuild.cli import main
from imagebuild.errors import BuildError, HostError, VerifyError
from imagebuild.events import Progress, stage
from imagebuild.host.cache import Cache
from imagebuild.operations.toolbox import Toolbox
from imagebuild.plan.planner import make_plan, tree_source
from imagebuild.plan.steps import BootstrapDebian, Plan
from imagebuild.recipe.load import LoadedRecipe, load_recipe
from imagebuild.report import Boot, BootEnd, Check, ImageFacts, Loader, Milestone, Outcome, verdict_of
from imagebuild.rootfs.debian import offer
from imagebuild.rootfs.debian.argv import apt_sources
from imagebuild.rootfs.debian.offer import Archives
from imagebuild.rootfs.packages import Package, Packages
from imagebuild.verify.runner import Request, Verification

if "FAKE_KEYS" in os.environ:  # of a local archive (tests/tiny_archive.py), whose packages are then "installed"
    offer._KEYS = (os.environ["FAKE_KEYS"],)
HOSTILE = "a \x1b[2J\x07 line of the guest's"


@dataclass(frozen=True)
class Made:
    plan: Plan
    packages: Packages


def wait_for_a_signal(progress: Progress) -> None:
    progress.note("READY")
    time.sleep(60)
    raise AssertionError("no signal came")


def build_image(
    loaded: LoadedRecipe, target: Path, *, cache: Cache, progress: Progress, secrets: Mapping[str, str]
) -> Made:
    wanted = os.environ.get("FAKE_BUILD", "made")
    if wanted.startswith("fails:"):  # only this recipe
        wanted = "fails" if wanted.removeprefix("fails:") == loaded.recipe.name else "made"
    with stage(progress, "root tree") as mark:
        mark.cached = True
    with stage(progress, "filesystems"):
        target.write_bytes(b"image of " + loaded.recipe.name.encode() + os.environ.get("FAKE_CONTENT", "").encode())
        progress.log(f"secrets: {sorted(secrets)}")
        match wanted:
            case "slow":
                wait_for_a_signal(progress)
            case "fails":
                raise BuildError("mke2fs failed", details="no room for inodes", resolution="make the disk larger")
            case "network":
                raise BuildError("bootstrapping failed", details="Could not resolve 'mirror.example'")
            case "fills":
                target.write_bytes(bytes(64 * 2**20))
            case "no-space":
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))
            case "bug":
                raise ZeroDivisionError("a fault of imagebuild's")
            case _:
                pass
    return Made(plan=make_plan(loaded.recipe, None), packages=Packages(tree="0" * 64, packages=_installed(loaded)))


def _installed(loaded: LoadedRecipe) -> tuple[Package, ...]:
    """What a bootstrap from the archive of FAKE_KEYS would have installed."""
    source = tree_source(loaded.recipe)
    if "FAKE_KEYS" not in os.environ or not isinstance(source, BootstrapDebian):
        return ()
    found = Archives(Cache()).offer(source, apt_sources(source)).packages
    return tuple(Package(name=one.name, version=one.version, architecture=one.architecture) for one in found)


def verify_image(request: Request, *, cache: Cache, progress: Progress) -> Verification:
    wanted = os.environ.get("FAKE_VERIFY", "passed")
    content = request.image.read_bytes()
    image = ImageFacts(
        path=str(request.image), sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content), real_bytes=4096
    )
    checks, boots = [], []
    for machine in request.machines or ("static", "qemu", "xen"):
        with stage(progress, f"verify: {machine}"):
            if wanted == "slow":
                wait_for_a_signal(progress)
            outcome = Outcome.FAILED if wanted == "failed" and machine != "qemu" else Outcome.PASSED
            unseen = wanted == "nothing" or (wanted == "not-booted" and machine != "static")
            outcome = Outcome.SKIPPED if unseen else outcome
            name = "works" if machine == "static" else "boot"
            checks.append(Check(machine=machine, name=name, outcome=outcome, detail=HOSTILE, seconds=0.5))
            progress.note(f"{outcome} {machine}: {name}: {HOSTILE}", outcome)
            if machine != "static":
                (request.output / f"console-{machine}.log").write_text(HOSTILE)
                boots.append(boot_of(machine, request))
    if wanted == "error":
        raise VerifyError("the test host could not be made", details="no route to host", resolution="go online")
    if wanted == "lacking":
        raise HostError("qemu-system-x86_64 is not installed", resolution="install the Debian package qemu-system-x86")
    return Verification(image, tuple(checks), tuple(boots), (), verdict_of(tuple(checks)))


def boot_of(machine: object, request: Request) -> Boot:
    name = "xen" if machine == "xen" else "qemu"
    kind = "direct" if name == "qemu" else "pv-grub" if request.pv_grub else "stand-in"
    return Boot.model_validate(
        {
            "machine": name,
            "end": BootEnd.REACHED,
            "milestones": (Milestone(name="kernel", seconds=1), Milestone(name="login", seconds=2)),
            "console": f"console-{name}.log",
            "loader": Loader.model_validate({"kind": kind, "version": "1.0"}),
            "seconds": 2.0,
        }
    )


TOOLBOX = Toolbox(load_recipe, build_image, verify_image, (sys.executable, __file__))

if __name__ == "__main__":
    sys.exit(main(toolbox=TOOLBOX))
