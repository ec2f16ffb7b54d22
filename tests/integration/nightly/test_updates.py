"""Nights against a local archive: what it publishes is a reason to build, for the recipes that hold it and no other.

apt, the archive, its signature and the night are real; what is fake is the build itself, whose list of packages is what
apt resolves (tests/unit/cli/fake_program.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from imagebuild.artifacts.earlier_results import earlier_result
from imagebuild.nightly.model import Night
from imagebuild.report import PackageUpdate
from imagebuild.rootfs.debian import offer
from tests.integration.nightly.conftest import Nights
from tests.tiny_archive import SUITE, TinyArchive, tiny_archive

pytestmark = [pytest.mark.integration, pytest.mark.needs("apt-get", "dpkg-deb", "gpg")]
_RECIPE = """\
name: {name}
rootfs:
  debian: {{suite: {suite}, mirror: "{url}", packages: [{packages}]}}
disk: {{layout: hd0, size: 1GiB, filesystem: ext4}}
"""


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TinyArchive]:
    with tiny_archive(tmp_path / "mirror") as archive:
        monkeypatch.setattr(offer, "_KEYS", (f"{archive.keys}/*.gpg",))
        monkeypatch.setenv("FAKE_KEYS", f"{archive.keys}/*.gpg")
        archive.put("base", "1", "Essential: yes\n", "required")
        archive.put("tools", "1", priority="required")
        archive.put("libssl", "3.0.1")
        archive.put("nginx", "1.22", "Depends: libssl\n")
        archive.put("postgresql", "15")
        archive.publish()
        yield archive


@pytest.fixture
def recipes(nights: Nights, archive: TinyArchive) -> list[Path]:
    return [write(nights, archive, "web", "nginx"), write(nights, archive, "db", "postgresql")]


def write(nights: Nights, archive: TinyArchive, name: str, packages: str) -> Path:
    path = nights.folder / f"{name}.yaml"
    path.write_text(_RECIPE.format(name=name, suite=SUITE, url=archive.url, packages=packages))
    return path


def news(night: Night, name: str) -> tuple[str, tuple[PackageUpdate, ...], str]:
    found = next(result.packages for result in night.results if result.name == name)
    assert found is not None
    return found.as_of, found.updated, found.because


def test_a_newer_package_rebuilds_the_recipes_that_hold_it(
    nights: Nights, archive: TinyArchive, recipes: list[Path]
) -> None:
    first = nights.run(*recipes, update=True)
    assert nights.states(first) == {"web": "passed", "db": "passed"}
    archive.answers.clear()
    second = nights.run(*recipes, update=True)
    assert nights.states(second) == {"web": "unchanged", "db": "unchanged"}
    assert archive.answers == [(f"/dists/{SUITE}/InRelease", 304)], "one question for both, and nothing is sent"

    archive.put("libssl", "3.0.2")  # web has it by way of nginx
    published = archive.publish()
    third = nights.run(*recipes, update=True)
    assert nights.states(third) == {"web": "passed", "db": "unchanged"}
    update = PackageUpdate(name="libssl", before="3.0.1", after="3.0.2", releases=(SUITE,))
    assert news(third, "web") == (published, (update,), "")
    assert news(third, "db") == (published, (), "")
    assert "web: to be built: 1 package updated: libssl 3.0.1 → 3.0.2 (tiny)" in nights.lines
    page = (nights.out / "summary.html").read_text()
    assert "libssl 3.0.1 → 3.0.2 (tiny)" in page
    assert f"as of {published[:10]}" in page
    assert "libssl" in (nights.out / "web/report.html").read_text()
    fourth = nights.run(*recipes, update=True)
    assert nights.states(fourth) == {"web": "unchanged", "db": "unchanged"}, "it is asked for once"
    assert news(fourth, "web")[1] == ()


def test_what_another_package_needs_now_is_an_update_too(
    nights: Nights, archive: TinyArchive, recipes: list[Path]
) -> None:
    nights.run(*recipes, update=True)
    archive.put("postgresql", "15.1", "Depends: libicu\n")
    archive.put("libicu", "72")
    archive.publish()
    night = nights.run(*recipes, update=True)
    assert nights.states(night) == {"web": "unchanged", "db": "passed"}
    assert [str(one) for one in news(night, "db")[1]] == ["libicu added → 72 (tiny)", "postgresql 15 → 15.1 (tiny)"]


def test_no_update_is_as_it_was(nights: Nights, archive: TinyArchive, recipes: list[Path]) -> None:
    nights.run(*recipes, update=True)
    archive.put("nginx", "1.23")
    archive.publish()
    assert nights.states(nights.run(*recipes)) == {"web": "unchanged", "db": "unchanged"}
    assert archive.answers == []
    assert nights.states(nights.run(*recipes, update=True)) == {"web": "passed", "db": "unchanged"}


def test_an_archive_that_does_not_answer_is_told_and_ends_nothing(
    nights: Nights, archive: TinyArchive, recipes: list[Path]
) -> None:
    nights.run(*recipes, update=True)
    (archive.folder / "dists").rename(archive.folder / "away")
    night = nights.run(*recipes, update=True)
    assert (night.exit_code, nights.states(night)) == (0, {"web": "unchanged", "db": "unchanged"})
    assert "no longer has a Release file" in news(night, "web")[2], "apt's own word"
    assert sum("the run continues" in note for note in night.notes) == 1, "once, not for each recipe"
    page = (nights.out / "summary.html").read_text()
    assert 'class="verdict unverified"' in page, "amber"
    assert "All passed" not in page


def test_an_archive_signed_by_a_stranger_is_not_believed(
    nights: Nights, archive: TinyArchive, recipes: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    nights.run(*recipes, update=True)
    monkeypatch.setattr(offer, "_KEYS", ())
    archive.put("nginx", "6.66")
    archive.publish()
    night = nights.run(*recipes, update=True)
    assert nights.states(night) == {"web": "unchanged", "db": "unchanged"}
    assert "not signed with a key that this machine trusts" in news(night, "web")[2]


def test_a_result_in_a_store_is_judged_by_what_is_in_it(
    nights: Nights, archive: TinyArchive, recipes: list[Path]
) -> None:
    """Built by a worker, whose cache is not the night's: packages.json in the store says what is there."""
    nights.output = nights.out.as_uri()
    nights.run(*recipes, update=True)
    assert nights.states(nights.run(*recipes, update=True)) == {"web": "unchanged", "db": "unchanged"}
    archive.put("nginx", "1.23", "Depends: libssl\n")
    archive.publish()
    night = nights.run(*recipes, update=True)
    assert nights.states(night) == {"web": "passed", "db": "unchanged"}
    assert [str(one) for one in news(night, "web")[1]] == ["nginx 1.22 → 1.23 (tiny)"]


def test_the_results_of_some_nights_are_kept_and_found(
    nights: Nights, archive: TinyArchive, recipes: list[Path]
) -> None:
    for version in ("1.23", "1.24", "1.25"):
        nights.run(*recipes, update=True, keep=2, FAKE_CONTENT=version)
        archive.put("nginx", version, "Depends: libssl\n")
        archive.publish()
    assert (earlier_result(nights.out / "web@-1") / "web.raw").read_text() == "image of web1.24"
    assert not (nights.out / "nights/000001").exists()
    assert [night["number"] for night in nights.summary()["nights"]] == [1, 2, 3]  # type: ignore[attr-defined]
    page = (nights.out / "summary.html").read_text()
    for file in ("report.html", "web.raw", "console-xen.log", "build.log"):
        assert f'<a href="web/{file}">' in page
