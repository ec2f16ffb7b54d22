"""What this machine can do, tried and not assumed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from imagebuild import testhost
from imagebuild.errors import HostError, ImagebuildError
from imagebuild.events import Progress, stage
from imagebuild.host.cache import Cache
from imagebuild.host.capabilities import Capability, Probe, probes
from imagebuild.vocabulary import GENUINE


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorRequest:
    """`prepare`: build the Xen test host now. `pv_grub`: the loader that verifications would be given."""

    prepare: bool = False
    pv_grub: Path | None = None


def examine(
    request: DoctorRequest, cache: Cache, progress: Progress, find: Callable[[Cache], Sequence[Probe]] = probes
) -> tuple[Capability, ...]:
    """Try everything. A lack is an answer, no error; `find` says what is tried."""
    found = [answer for probe in find(cache) for answer in _try(probe, progress)]
    return (*found, _test_host(cache, progress, prepare=request.prepare), _pv_grub(request.pv_grub, cache))


def lacking(found: Sequence[Capability]) -> tuple[Capability, ...]:
    """What must be there before images can be built and verified, and is not."""
    return tuple(item for item in found if item.needed and item.state == "lacking")


def _try(probe: Probe, progress: Progress) -> tuple[Capability, ...]:
    with stage(progress, probe.doing):
        return probe.run()


def _test_host(cache: Cache, progress: Progress, *, prepare: bool) -> Capability:
    """The Xen test host: made by imagebuild itself, so that its absence alone is no lack."""
    if prepare:
        try:
            with stage(progress, "making the Xen test host (some minutes, once)") as mark:
                _host, mark.cached = testhost.prepare(cache, progress)
        except ImagebuildError as error:
            last = error.details.rstrip().splitlines()[-1:]
            return Capability("testhost", "lacking", f"tried: {'; '.join([error.brief, *last])}", error.resolution)
    if host := testhost.find(cache):
        facts = host.facts()
        evidence = f"in the cache: dom0 with Linux {facts['kernel_version']}, GRUB {facts['loader_version']}"
        return Capability("testhost", "ok", evidence)
    return Capability(
        "testhost", "limited", "not in the cache; the first verification under Xen makes it (some minutes)",
        "to make it now, run: imagebuild doctor --prepare",
    )  # fmt: skip


def _pv_grub(given: Path | None, cache: Cache) -> Capability:
    """The loader that a verification under Xen would take, found in the same way."""
    from imagebuild.verify.loaders import ENVIRONMENT_VARIABLE, FILE_NAME, OPTION, find_pv_grub

    remedy = (
        f"Xen's own sources make the genuine one (stubdom: {FILE_NAME}; docs/explanation/verified.md); name it with "
        f"{OPTION} FILE or {ENVIRONMENT_VARIABLE}, or put it where Xen does (/usr/lib/xen/boot)"
    )
    try:
        found = find_pv_grub(given, cache)
    except HostError as error:
        return Capability(GENUINE, "limited", error.brief, f"{error.resolution}. {remedy}", needed=False)
    if found:
        path, loader = found
        evidence = (
            f"{path}: the genuine PV-GRUB, {loader.version}, sha256 {loader.sha256}; it boots the guests under Xen"
        )
        return Capability(GENUINE, "ok", evidence, needed=False)
    evidence = (
        "no genuine PV-GRUB: none given, none in the cache or in Xen's directories; under Xen the guests start with a "
        "stand-in (GRUB 2 reading menu.lst), and the static checks cover what PV-GRUB does differently"
    )
    return Capability(GENUINE, "limited", evidence, remedy, needed=False)
