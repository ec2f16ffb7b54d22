"""A verdict is given once: the same bytes, judged by the same judge in the same way, are not booted again.

CACHE/verdicts/KEY/ holds what one machine found (verdict.json) and its consoles. KEY covers the sha256 of the image,
what was asked (the machine, its settings, the loader meant), and the judge: the test host, a genuine PV-GRUB, the
version of imagebuild and its code. What a machine could not decide is not kept: it is done again, and the other
verdicts stand.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import shutil
from collections.abc import Mapping
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
from imagebuild.report import Boot, Check, ImageFacts
from imagebuild.testhost import definition
from imagebuild.verify import runner
from imagebuild.verify.loaders import find_pv_grub
from imagebuild.verify.request import BootSettings, Request, Verification
from imagebuild.verify.run import conclusion
from imagebuild.vocabulary import GENUINE, MACHINES, MachineName

KIND: Kind = "verdicts"
_FILE = "verdict.json"
# What judges: it reads filesystems, menus, kernels, initrds and superblocks.
_JUDGES = ("verify", "image", "bootloaders", "filesystems", "formats")


class _Kept(BaseModel):
    """What one machine found. `at`: when (ISO 8601, UTC). `claimed`: with the static checks of a request that named no
    machines, those that the image claims."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    at: str
    image: ImageFacts
    checks: tuple[Check, ...]
    boots: tuple[Boot, ...]
    claimed: tuple[MachineName, ...] = ()


def verify_image(request: Request, *, cache: Cache, progress: Progress) -> Verification:
    """As runner.verify_image, from what is kept where that is the answer (`kept_at`, if it is all of it). Raises the
    same, and VerifyError where this machine has no space or memory left."""
    with no_verdict(request.image):
        return _verified(request, cache, progress)


def _verified(request: Request, cache: Cache, progress: Progress) -> Verification:
    try:
        sha256 = known_sha256(request.image, cache)
    except OSError:
        return runner.verify_image(request, cache=cache, progress=progress)  # it says what is wrong with the file
    machines = request.machines or _claimed(request, sha256, cache)
    keys = {machine: verdict_key(request, machine, sha256, cache) for machine in machines or MACHINES}
    found = {} if request.anew or not machines else _find_all(keys, request, cache, progress)
    missing = tuple(machine for machine in machines if machine not in found)
    if machines and not missing:
        return _answer(found, request)
    if found:
        progress.note(f"{', '.join(found)}: these bytes were verified before; only {', '.join(missing)} is missing")
    ask = missing if found else request.machines
    result = runner.verify_image(replace(request, sha256=sha256, machines=ask), cache=cache, progress=progress)
    claimed = () if ask else result.machines
    for machine in ask or claimed:
        if machine not in result.undecided and any(check.machine == machine for check in result.checks):
            keep(keys[machine], machine, result, request.output, cache, claimed if machine == "static" else ())
    return _together(found, result)


def _claimed(request: Request, sha256: str, cache: Cache) -> tuple[MachineName, ...]:
    """The machines that the image claims, as an earlier run found; none where that is not known."""
    kept = find_kept(verdict_key(request, "static", sha256, cache), cache)
    return kept.claimed if kept else ()


def _find_all(
    keys: Mapping[MachineName, str], request: Request, cache: Cache, progress: Progress
) -> dict[MachineName, _Kept]:
    found = {machine: kept for machine, key in keys.items() if (kept := find_kept(key, cache))}
    if found:
        with stage(progress, "verdict") as mark:
            mark.cached = True
            for machine, kept in found.items():
                _copy_consoles(kept.boots, cache.path(KIND, keys[machine]), request.output)
    return found


def verdict_key(request: Request, machine: MachineName, sha256: str, cache: Cache) -> str:
    """The name of the entry. Raises HostError when a PV-GRUB that was asked for is none."""
    genuine = find_pv_grub(request.pv_grub, cache) if machine == "xen" else None
    parts = {
        "image": sha256,
        "machine": machine,
        "settings": None if machine == "static" else _settings(request.settings(machine)),
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


def keep(
    key: str,
    machine: MachineName,
    result: Verification,
    consoles: Path,
    cache: Cache,
    claimed: tuple[MachineName, ...] = (),
) -> None:
    """Keep that machine's part with its consoles, in the place of an older one."""
    boots = tuple(boot for boot in result.boots if boot.machine == machine)

    def make(folder: Path) -> None:
        kept = _Kept(
            at=datetime.now(UTC).isoformat(timespec="seconds"),
            image=result.image.model_copy(update={"path": ""}),  # these bytes, wherever they lie
            checks=tuple(check for check in result.checks if check.machine == machine),
            boots=boots,
            claimed=claimed,
        )
        (folder / _FILE).write_text(kept.model_dump_json(indent=1), encoding="utf-8")
        _copy_consoles(boots, consoles, folder)

    with contextlib.suppress(OSError, HostError):  # it only saves time: a full disk does not make an image bad
        if (older := cache.path(KIND, key)).is_dir():
            cache.remove(Entry(KIND, key, older, 0, 0))
        cache.get(KIND, key, make)


def _copy_consoles(boots: tuple[Boot, ...], source: Path, target: Path) -> None:
    for boot in boots:
        if (source / boot.console).is_file():
            shutil.copyfile(source / boot.console, target / boot.console)


def _answer(found: Mapping[MachineName, _Kept], request: Request) -> Verification:
    """All of it was kept."""
    image = next(iter(found.values())).image
    real_bytes = request.image.stat().st_blocks * 512
    image = image.model_copy(update={"path": str(request.image), "real_bytes": real_bytes})
    checks, boots = _in_order(found)
    verdict, reason = conclusion(checks, {})
    at = max(kept.at for kept in found.values())
    return Verification(image, checks, boots, (), verdict, reason, kept_at=at)


def _together(found: Mapping[MachineName, _Kept], result: Verification) -> Verification:
    """What was kept, and what was done now."""
    if not found:
        return result
    kept_checks, kept_boots = _in_order(found)
    order = {machine: number for number, machine in enumerate(MACHINES)}
    checks = tuple(sorted((*kept_checks, *result.checks), key=lambda check: order[check.machine]))
    boots = tuple(sorted((*kept_boots, *result.boots), key=lambda boot: order[boot.machine]))
    verdict, reason = conclusion(checks, result.undecided)
    return replace(result, checks=checks, boots=boots, verdict=verdict, unverified_because=reason)


def _in_order(found: Mapping[MachineName, _Kept]) -> tuple[tuple[Check, ...], tuple[Boot, ...]]:
    machines = [found[machine] for machine in MACHINES if machine in found]
    return (
        tuple(check for kept in machines for check in kept.checks),
        tuple(boot for kept in machines for boot in kept.boots),
    )


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
