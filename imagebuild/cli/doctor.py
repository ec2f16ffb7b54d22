"""`doctor`: what this machine can do, tried and not assumed."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from imagebuild import __version__
from imagebuild.cli.terminal import Display, Segment, Watcher, choose_display, say, showing
from imagebuild.errors import OK, HostError, ImagebuildError
from imagebuild.events import Progress, stage
from imagebuild.host.cache import Cache
from imagebuild.host.capabilities import Capability, Probe, State, probes

_STYLE: dict[State, str] = {"ok": "green", "limited": "yellow", "lacking": "bold red"}
_REAL_ONE = (
    "Xen's own sources make the genuine one (stubdom: pv-grub-x86_64.gz; docs/explanation/verified.md); name it with "
    "--pv-grub FILE or IMAGEBUILD_PV_GRUB, or put it where Xen does (/usr/lib/xen/boot)"
)


def show_capabilities(
    *, prepare: bool, as_json: bool, pv_grub: Path | None, find: Callable[[Cache], Sequence[Probe]] = probes
) -> int:
    """Try everything, show it, and return 0 (images can be built and verified here) or 4."""
    cache = Cache()
    with showing(_display(as_json)) as display:
        watcher = Watcher(display)
        found = [answer for probe in find(cache) for answer in _try(probe, watcher)]
        found += [_test_host(cache, watcher, prepare=prepare), _pv_grub(pv_grub, cache)]
    lacks = [item for item in found if item.needed and item.state == "lacking"]
    if as_json:
        print(_json(found, ready=not lacks))
    else:
        say(_table(found))
        say([_conclusion(lacks)])
    return HostError.exit_code if lacks else OK


def _display(as_json: bool) -> Display:
    """Progress goes where it is in nobody's way: above the table on a terminal, else to stderr."""
    on_screen = sys.stdout.isatty() and not as_json
    return choose_display(sys.stdout if on_screen else sys.stderr, transient=True)


def _try(probe: Probe, progress: Progress) -> tuple[Capability, ...]:
    with stage(progress, probe.doing):
        return probe.run()


def _test_host(cache: Cache, progress: Progress, *, prepare: bool) -> Capability:
    """The Xen test host: made by imagebuild itself, so that its absence alone is no lack."""
    from imagebuild import testhost

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
    from imagebuild.verify.loaders import find_pv_grub

    try:
        found = find_pv_grub(given, cache)
    except HostError as error:
        return Capability("pv-grub", "limited", error.brief, f"{error.resolution}. {_REAL_ONE}", needed=False)
    if found:
        path, loader = found
        evidence = (
            f"{path}: the genuine PV-GRUB, {loader.version}, sha256 {loader.sha256}; it boots the guests under Xen"
        )
        return Capability("pv-grub", "ok", evidence, needed=False)
    evidence = (
        "no genuine one: none is named, none in the cache or in Xen's folders; under Xen the guests start with a "
        "stand-in (GRUB 2 reading menu.lst), and the static checks judge what PV-GRUB does otherwise"
    )
    return Capability("pv-grub", "limited", evidence, _REAL_ONE, needed=False)


def _table(found: Iterable[Capability]) -> list[list[Segment]]:
    found = list(found)
    width = max(len(item.name) for item in found)
    lines: list[list[Segment]] = []
    for item in found:
        lines.append(
            [(f"{item.state:<8} ", _STYLE[item.state]), (f"{item.name:<{width}}  ", "bold"), (item.evidence, "")]
        )
        if item.resolution and item.state != "ok":
            lines.append([(" " * (9 + width + 2), ""), (f"what to do: {item.resolution}", "")])
    return lines


def _conclusion(lacks: Sequence[Capability]) -> list[Segment]:
    if not lacks:
        return [("This machine can build and verify images.", "bold green")]
    names = ", ".join(item.name for item in lacks)
    return [(f"This machine cannot build and verify images yet: it lacks {names}.", "bold red")]


def _json(found: Iterable[Capability], *, ready: bool) -> str:
    document = {
        "imagebuild_version": __version__,
        "ready": ready,
        "capabilities": [asdict(item) for item in found],
    }
    return json.dumps(document, indent=2, ensure_ascii=False)
