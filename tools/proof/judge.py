"""Judges an image three times: static checks, a boot with the stand-in, a boot with the genuine loader."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from imagebuild.events import Quiet
from imagebuild.host.cache import Cache
from imagebuild.report import Outcome, Verdict
from imagebuild.verify.loaders import CACHE_KIND, ENVIRONMENT_VARIABLE
from imagebuild.verify.runner import Request, Verification, verify_image
from imagebuild.vocabulary import MachineName

_LAST_WORDS = re.compile(r"the console said '(?P<words>.*?)' \(|(?P<seen>'.*' was seen)")


@dataclass(frozen=True)
class Word:
    """A verdict, and in a few words why."""

    verdict: Verdict
    why: str


def judge_static(image: Path, cache: Cache, scratch: Path) -> Word:
    found = _verify(image, cache, scratch, "static")
    failures = [f"{check.name}: {check.detail}" for check in found.checks if check.outcome is Outcome.FAILED]
    warnings = [f"({check.name}: {check.detail})" for check in found.checks if check.outcome is Outcome.WARNED]
    return Word(found.verdict, "; ".join(failures or warnings))


def judge_boot(image: Path, cache: Cache, scratch: Path, pv_grub: Path | None = None) -> Word:
    """With the genuine loader where one is given, else with the stand-in."""
    with contextlib.nullcontext(cache) if pv_grub else _no_genuine(cache, scratch) as seen:
        found = _verify(image, seen, scratch, "xen", pv_grub)
    assert {boot.loader.kind for boot in found.boots} <= {"pv-grub" if pv_grub else "stand-in"}
    detail = found.boots[0].detail if found.boots else found.unverified_because
    match = _LAST_WORDS.search(detail)
    return Word(found.verdict, (match["words"] or match["seen"]) if match else detail)


@contextlib.contextmanager
def _no_genuine(cache: Cache, scratch: Path) -> Iterator[Cache]:
    """The cache without its PV-GRUB, and the environment without its name."""
    bare = scratch / "cache"
    bare.mkdir(exist_ok=True)
    for entry in cache.root.iterdir():
        # its own locks: an entry that is made later would be missing here, and locked there
        if entry.name not in (CACHE_KIND, "locks") and not (bare / entry.name).exists():
            (bare / entry.name).symlink_to(entry)
    named = os.environ.pop(ENVIRONMENT_VARIABLE, None)
    try:
        yield Cache(bare)
    finally:
        if named is not None:
            os.environ[ENVIRONMENT_VARIABLE] = named


def _verify(
    image: Path,
    cache: Cache,
    scratch: Path,
    machine: MachineName,
    pv_grub: Path | None = None,
) -> Verification:
    output = scratch / f"{image.stem}-{machine}-{'genuine' if pv_grub else 'own'}"
    output.mkdir(exist_ok=True)
    request = Request(image, output, (machine,), pv_grub=pv_grub, fallback=False)
    return verify_image(request, cache=cache, progress=Quiet())
