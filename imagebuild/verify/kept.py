"""A verdict is given once: the same bytes, judged by the same judge in the same way, are not booted again.

CACHE/verdicts/KEY/ holds what was found (verdict.json) and the consoles. KEY covers the image's sha256, what was asked
(machines, their settings, the loader meant), and the judge: the test host, a genuine PV-GRUB, imagebuild's version and
its own code. Only whole runs that passed or failed are kept; what could not be verified is tried again.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

import imagebuild
from imagebuild.errors import HostError
from imagebuild.events import Progress, stage
from imagebuild.host.cache import Cache, Entry, damage
from imagebuild.host.cache_kinds import Kind
from imagebuild.host.known_digest import known_sha256
from imagebuild.image.witness import no_verdict
from imagebuild.report import Boot, Check, ImageFacts, Verdict
from imagebuild.testhost import definition
from imagebuild.verify import runner
from imagebuild.verify.loaders import find_pv_grub
from imagebuild.verify.request import BootSettings, Request, Verification
from imagebuild.vocabulary import GENUINE, MACHINES

KIND: Kind = "verdicts"
_FILE = "verdict.json"
# What judges: it reads filesystems, menus, kernels, initrds and superblocks.
_JUDGES = ("verify", "image", "bootloaders", "filesystems", "formats")


class _Kept(BaseModel):
    """`at`: when it was judged (ISO 8601, UTC)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    at: str
    image: ImageFacts
    checks: tuple[Check, ...]
    boots: tuple[Boot, ...]
    verdict: Verdict


def verify_image(request: Request, *, cache: Cache, progress: Progress) -> Verification:
    """As runner.verify_image, from what is kept where that is the answer (`kept_at` says so). Raises the same, and
    VerifyError where this machine has no space or memory left."""
    with no_verdict(request.image):
        return _verified(request, cache, progress)


def _verified(request: Request, cache: Cache, progress: Progress) -> Verification:
    try:
        sha256 = known_sha256(request.image, cache)
    except OSError:
        return runner.verify_image(request, cache=cache, progress=progress)  # it says what is wrong with the file
    key = verdict_key(request, sha256, cache)
    if not request.anew and (kept := find_kept(key, cache)):
        with stage(progress, "verdict") as mark:
            mark.cached = True
            return _answer(kept, request, cache.path(KIND, key))
    result = runner.verify_image(replace(request, sha256=sha256), cache=cache, progress=progress)
    if result.complete and result.verdict is not Verdict.UNVERIFIED:
        keep(key, result, request.output, cache)
    return result


def verdict_key(request: Request, sha256: str, cache: Cache) -> str:
    """The name of the entry. Raises HostError when a PV-GRUB that was asked for is none."""
    machines = request.machines or MACHINES  # those that the image claims: any may be
    genuine = find_pv_grub(request.pv_grub, cache) if "xen" in machines else None
    parts = {
        "image": sha256,
        "machines": request.machines,
        "settings": {name: _settings(request.settings(name)) for name in machines if name != "static"},
        "loader": request.loader,
        "fallback": (request.fallback, request.strict_fallback),
        "test host": definition.digest(),
        GENUINE: genuine[1].sha256 if genuine else None,
        "version": imagebuild.__version__,
        "judge": _own_digest(),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def find_kept(key: str, cache: Cache) -> _Kept | None:
    """The kept verdict; a damaged entry is removed, and counts as not there."""
    folder = cache.find(KIND, key)
    if folder is None:
        return None
    entry = Entry(KIND, key, folder, 0, 0)
    try:
        if not damage(entry):
            return _Kept.model_validate_json((folder / _FILE).read_bytes())
    except (OSError, ValidationError):
        pass
    cache.remove(entry)
    return None


def keep(key: str, result: Verification, consoles: Path, cache: Cache) -> None:
    """Keep the verdict with its consoles, in the place of an older one."""

    def make(folder: Path) -> None:
        kept = _Kept(
            at=datetime.now(UTC).isoformat(timespec="seconds"),
            image=result.image.model_copy(update={"path": ""}),  # these bytes, wherever they lie
            checks=result.checks,
            boots=result.boots,
            verdict=result.verdict,
        )
        (folder / _FILE).write_text(kept.model_dump_json(indent=1), encoding="utf-8")
        _copy_consoles(result.boots, consoles, folder)

    with contextlib.suppress(OSError, HostError):  # it only saves time: a full disk does not make an image bad
        if (older := cache.path(KIND, key)).is_dir():
            cache.remove(Entry(KIND, key, older, 0, 0))
        cache.get(KIND, key, make)


def _copy_consoles(boots: tuple[Boot, ...], source: Path, target: Path) -> None:
    for boot in boots:
        if (source / boot.console).is_file():
            shutil.copyfile(source / boot.console, target / boot.console)


def _answer(kept: _Kept, request: Request, folder: Path) -> Verification:
    _copy_consoles(kept.boots, folder, request.output)
    real_bytes = request.image.stat().st_blocks * 512
    image = kept.image.model_copy(update={"path": str(request.image), "real_bytes": real_bytes})
    return Verification(image, kept.checks, kept.boots, (), kept.verdict, kept_at=kept.at)


def _settings(settings: BootSettings) -> list[float | int | str]:
    return [settings.timeout_seconds, settings.memory_bytes, settings.expect, settings.disk]


@functools.cache
def _own_digest() -> str:
    """A digest of the checks' own code: a check that was added or mended judges anew, whatever the version says."""
    digest = hashlib.sha256()
    package = Path(imagebuild.__file__).parent
    for path in sorted(path for name in _JUDGES for path in (package / name).rglob("*.py")):
        digest.update(f"{path.relative_to(package)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()
