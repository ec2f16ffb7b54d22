"""The distribution's packages that imagebuild needs: one apt line, for the distributions that the table names."""

from __future__ import annotations

import functools
import platform
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from imagebuild.errors import HostError
from imagebuild.host import command

_TABLE = Path(__file__).with_name("packages.toml")
_CANDIDATE = re.compile(r"^(?P<name>\S+):\n(?:  .*\n)*?  Candidate: (?P<version>\S+)", re.MULTILINE)
CONTAINER = "podman run --rm -it --security-opt unmask=ALL -v .:/work -w /work docker.io/library/debian:13"


@dataclass(frozen=True, slots=True)
class PackageList:
    """`packages`: each with its alternatives, the best first. `note`: what else is to be known."""

    distribution: str
    packages: tuple[tuple[str, ...], ...]
    note: str = ""


@functools.cache
def _table() -> Mapping[str, Mapping[str, object]]:
    return tomllib.loads(_TABLE.read_text(encoding="utf-8"))


def list_for(release: Mapping[str, str]) -> PackageList:
    """For what /etc/os-release says (os-release(5)). Raises HostError for a distribution without apt's packages."""
    name = release.get("PRETTY_NAME") or release.get("ID", "this machine")
    for each in (release.get("ID", ""), *release.get("ID_LIKE", "").split()):
        if (found := _table().get(each)) is not None:
            versions, packages = found["versions"], found["packages"]
            assert isinstance(versions, list)
            assert isinstance(packages, list)
            tried = each == release.get("ID") and release.get("VERSION_ID") in versions
            unknown = f"{name} is not one of the releases that the table was made for ({each} {', '.join(versions)})"
            notes = [str(found.get("note", "")), "" if tried else unknown]
            return PackageList(each, tuple(tuple(one) for one in packages), "; ".join(filter(None, notes)))
    raise HostError(
        f"imagebuild builds with Debian's tools (apt, mmdebstrap, dpkg), and {name} is not of its family",
        resolution=f"use a Debian container, and install imagebuild in there: {CONTAINER}",
    )


def this_release() -> Mapping[str, str]:
    try:
        return platform.freedesktop_os_release()
    except OSError:
        return {}


def chosen(packages: Sequence[Sequence[str]]) -> list[str]:
    """Of each, the first alternative that apt could install here; else the first."""
    names = [name for each in packages for name in each if len(each) > 1]
    there = set[str]()
    if names and command.find("apt-cache"):
        told = command.attempt(["apt-cache", "policy", *names]).output
        there = {found["name"] for found in _CANDIDATE.finditer(told) if found["version"] != "(none)"}
    return [next((name for name in each if name in there), each[0]) for each in packages]


def install_argv(packages: Sequence[str], *, root: bool) -> list[str]:
    """The one line."""
    return [*([] if root else ["sudo"]), "apt-get", "install", "--no-install-recommends", *packages]
