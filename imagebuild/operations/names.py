"""Names of the world outside that a recipe uses, checked while planning.

A misspelt one would be found minutes later, or only in the running image. What this machine has no list for is not
refused.
"""

from __future__ import annotations

import re
import zoneinfo
from pathlib import Path
from typing import TYPE_CHECKING

from imagebuild.errors import PlanError
from imagebuild.recipe.nearest import did_you_mean

if TYPE_CHECKING:
    from imagebuild.recipe.model import Recipe

# https://www.debian.org/releases/ (2026): what deb.debian.org has, and the names that move.
_SUITES = ("bullseye", "bookworm", "trixie", "forky", "sid")
_MOVING = ("stable", "oldstable", "oldoldstable", "testing", "unstable")
# Older ones lie at archive.debian.org alone.
_ARCHIVED = ("buster", "stretch", "jessie", "wheezy", "squeeze", "lenny", "etch", "sarge", "woody", "potato")
_UBUNTU = ("trusty", "xenial", "bionic", "focal", "jammy", "noble", "oracular", "plucky", "questing", "resolute")
# Every name of the tz database, also those that a distribution ships in a package of its own (tzdata-legacy).
_ZONES = re.compile(r"^(?:Z (\S+)|L \S+ (\S+))", re.MULTILINE)


def check_names(recipe: Recipe) -> None:
    """Raises PlanError for a suite of no archive that this machine would ask, or a time zone that does not exist."""
    if recipe.rootfs.debian is not None and recipe.rootfs.debian.mirror is None:
        _check_suite(recipe.rootfs.debian.suite)
    if recipe.system.timezone is not None:
        _check_timezone(recipe.system.timezone)


def _check_suite(suite: str) -> None:
    from imagebuild.host.apt_sources import debian_mirrors

    key = "rootfs.debian.suite"
    if suite in (*_SUITES, *_MOVING) or debian_mirrors(suite):
        return
    if suite in _ARCHIVED:
        raise PlanError(
            key, f"found {suite}: Debian's mirrors have it no more",
            resolution="name the archive: rootfs.debian.mirror: http://archive.debian.org/debian",
        )  # fmt: skip
    if suite in _UBUNTU:
        raise PlanError(
            key, f"found {suite}, a suite of Ubuntu's: Debian's mirrors do not have it",
            resolution="name Ubuntu's mirror: rootfs.debian.mirror: http://archive.ubuntu.com/ubuntu "
            "(install the package ubuntu-keyring for its key)",
        )  # fmt: skip
    raise PlanError(
        key,
        f"found {suite}: neither Debian nor this machine's apt sources have such a suite{did_you_mean(suite, _SUITES)}",
        resolution=f"write one of {', '.join(_SUITES)}, or name the mirror that has it (rootfs.debian.mirror)",
    )  # fmt: skip


def _check_timezone(zone: str) -> None:
    known = _zones()
    if known and zone not in known:
        nearest = {name.lower(): name for name in sorted(known)}
        hint = did_you_mean(zone, nearest)
        for lower, name in nearest.items():
            hint = hint.replace(f"'{lower}'", f"'{name}'")
        raise PlanError(
            "system.timezone", f"found {zone}: the tz database has no such time zone{hint}",
            resolution="write a name as in /usr/share/zoneinfo, such as Etc/UTC",
        )  # fmt: skip


def _zones() -> frozenset[str]:
    """Empty: this machine has no list."""
    for directory in zoneinfo.TZPATH:
        path = Path(directory) / "tzdata.zi"
        if path.is_file():
            found = _ZONES.findall(path.read_text(encoding="utf-8", errors="replace"))
            return frozenset(name for pair in found for name in pair if name) | zoneinfo.available_timezones()
    return frozenset(zoneinfo.available_timezones())
