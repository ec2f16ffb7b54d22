"""Suites and time zones that do not exist are refused while planning, at their place; what nobody here knows is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagebuild.errors import PlanError
from imagebuild.operations import names
from imagebuild.operations.recipes import preliminary_plan
from imagebuild.recipe.load import load_recipe

RECIPE = """\
name: web
rootfs: {{debian: {{suite: {suite}{mirror}}}}}
disk: {{layout: hd0, size: 1GiB, filesystem: ext4}}
system: {{timezone: {zone}}}
"""


def plan(folder: Path, suite: str = "bookworm", zone: str = "Etc/UTC", mirror: str = "") -> None:
    path = folder / "web.yaml"
    path.write_text(RECIPE.format(suite=suite, zone=zone, mirror=f', mirror: "{mirror}"' if mirror else ""))
    preliminary_plan(load_recipe(path))


@pytest.mark.parametrize(
    ("suite", "message", "cure"),
    [
        ("bookwrom", "; did you mean 'bookworm'?", "write one of bullseye, bookworm"),
        ("buster", "Debian's mirrors have it no more", "http://archive.debian.org/debian"),
        ("noble", "a suite of Ubuntu's", "http://archive.ubuntu.com/ubuntu"),
    ],
)
def test_a_suite_that_no_mirror_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suite: str, message: str, cure: str
) -> None:
    monkeypatch.setattr("imagebuild.host.apt_sources.debian_mirrors", lambda _suite: [])
    with pytest.raises(PlanError) as caught:
        plan(tmp_path, suite)
    assert "web.yaml:2:26: rootfs.debian.suite" in caught.value.brief
    assert message in caught.value.brief
    assert cure in caught.value.resolution
    plan(tmp_path, suite, mirror="http://mirror.example/debian")  # whoever names a mirror knows what it has
    monkeypatch.setattr("imagebuild.host.apt_sources.debian_mirrors", lambda _suite: ["deb http://a b main"])
    plan(tmp_path, suite)  # nor is one refused that this machine's apt knows


@pytest.mark.parametrize("suite", ["trixie", "stable", "sid"])
def test_suites_that_there_are(tmp_path: Path, suite: str) -> None:
    plan(tmp_path, suite)


def test_a_time_zone_that_does_not_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "_zones", lambda: frozenset({"Etc/UTC", "Europe/Berlin"}))
    with pytest.raises(
        PlanError, match="Europe/Belrin: the tz database has no such time zone; did you mean 'Europe/Be"
    ):
        plan(tmp_path, zone="Europe/Belrin")
    monkeypatch.setattr(names, "_zones", lambda: frozenset())
    plan(tmp_path, zone="Europe/Belrin")


def test_the_names_of_the_tz_database_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tzdata.zi").write_text("# version 2026a\nR d 1916 o - Jun 14 23s 1 S\nZ Europe/Paris 0:9 - LMT\n"
                                        "L America/Los_Angeles US/Pacific\n")  # fmt: skip
    monkeypatch.setattr("zoneinfo.TZPATH", (str(tmp_path),))
    monkeypatch.setattr("zoneinfo.available_timezones", lambda: {"Etc/UTC"})
    assert names._zones() == {"Europe/Paris", "US/Pacific", "Etc/UTC"}
