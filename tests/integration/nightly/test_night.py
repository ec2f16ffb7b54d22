"""A night on one machine: what is built and what is not, what goes wrong and what is said about it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from xml.etree import ElementTree

import pytest

from imagebuild.errors import BuildError, HostError
from imagebuild.host.cache import Cache
from imagebuild.nightly.lock import hold_file
from imagebuild.nightly.model import Limits
from tests.integration.nightly.conftest import PROGRAM, Nights

pytestmark = pytest.mark.integration


def test_what_is_unchanged_is_not_built_again(nights: Nights) -> None:
    recipes = [nights.recipe("web"), nights.recipe("db")]
    first = nights.run(*recipes)
    assert (first.exit_code, nights.states(first)) == (0, {"web": "passed", "db": "passed"})
    assert (nights.out / "web/web.raw").read_bytes() == b"image of web"
    second = nights.run(*recipes)
    assert nights.states(second) == {"web": "unchanged", "db": "unchanged"}
    assert "web: unchanged and still verified: not built" in nights.lines
    recipes[0].write_text(recipes[0].read_text() + "# a word more\n")
    (nights.out / "db/db.raw").write_bytes(b"image of xx")
    third = nights.run(*recipes)
    assert nights.states(third) == {"web": "passed", "db": "passed"}
    assert "web: to be built: the recipe or a file that it names has changed" in nights.lines
    assert "db: to be built: the image is no longer the one that was verified" in nights.lines
    assert [night["number"] for night in nights.summary()["nights"]] == [1, 2, 3]  # type: ignore[attr-defined]


def test_a_changed_file_beside_the_recipe_is_a_change(nights: Nights) -> None:
    (nights.folder / "motd").write_text("hello")
    recipe = nights.recipe("web", "files: [{path: /etc/motd, source: motd}]\n")
    nights.run(recipe)
    assert nights.states(nights.run(recipe)) == {"web": "unchanged"}
    (nights.folder / "motd").write_text("HELLO")
    assert nights.states(nights.run(recipe)) == {"web": "passed"}


def test_one_bad_recipe_does_not_stop_the_others(nights: Nights) -> None:
    wrong = nights.folder / "wrong.yaml"
    wrong.write_text("name: wrong\nnonsense: true\n")
    twin = nights.folder / "twin.yaml"
    twin.write_text(nights.recipe("web").read_text())
    recipes = [nights.recipe("web"), nights.recipe("db"), wrong, twin, nights.folder / "absent.yaml"]
    night = nights.run(*recipes, FAKE_BUILD="fails:db")
    states = {"web": "passed", "db": "broken", "wrong": "broken", "twin": "broken", "absent": "broken"}
    assert nights.states(night) == states
    assert night.exit_code == 5, "the worst"
    messages = {result.name: result.message for result in night.results}
    assert messages["db"].startswith("error: mke2fs failed")
    assert "wrong.yaml:2:1: nonsense" in messages["wrong"]
    assert "give each recipe its own name" in messages["twin"]
    root = ElementTree.parse(nights.out / "junit.xml").getroot()
    assert int(root.get("errors", 0)) == 4
    assert {suite.get("name") for suite in root} >= {"nightly", "web.static", "web.xen"}


@pytest.mark.parametrize(
    ("how", "code", "state"), [("failed", 10, "failed"), ("error", 6, "unverified"), ("lacking", 4, "unverified")]
)
def test_a_bad_image_and_one_that_could_not_be_verified(nights: Nights, how: str, code: int, state: str) -> None:
    recipe = nights.recipe("web")
    night = nights.run(recipe, FAKE_VERIFY=how)
    assert (night.exit_code, nights.states(night)) == (code, {"web": state})
    again = nights.run(recipe)
    assert nights.states(again) == {"web": "passed"}, "a bad image is no reason not to build"


def test_what_nobody_asked_to_verify_is_not_called_passed(nights: Nights) -> None:
    recipe = nights.recipe("web")
    for number in (1, 2):  # built, then unchanged
        night = nights.run(recipe, verify=False)
        assert (night.exit_code, nights.states(night)) == (0, {"web": "not-verified"})
        assert nights.summary()["nights"][-1]["results"][0]["state"] == "not-verified"  # type: ignore[index]
        page = (nights.out / "summary.html").read_text()
        assert "1 of 1 built and not verified" in page
        assert "All passed" not in page
        root = ElementTree.parse(nights.out / "junit.xml").getroot()
        assert (root.get("errors"), root.get("failures"), root.get("skipped")) == ("0", "0", "2")
        assert night.results[0].attempts == (1 if number == 1 else 0)
    assert nights.states(nights.run(recipe)) == {"web": "passed"}, "to be built: it was not verified"


def test_a_build_that_finds_its_result_unchanged_has_passed(nights: Nights) -> None:
    """The history is gone, so the night asks `build`, which writes nothing and ends with 0."""
    recipe = nights.recipe("web")
    nights.run(recipe)
    (nights.out / "nights/000001.json").unlink()
    night = nights.run(recipe, program=("/bin/true",))
    assert nights.states(night) == {"web": "passed"}
    assert night.results[0].image_sha256
    gone = nights.run(nights.recipe("db"), program=("/bin/true",))
    assert nights.states(gone) == {"db": "broken"}, "nothing is there"


def test_a_recipe_that_hangs_is_ended(nights: Nights) -> None:
    night = nights.run(nights.recipe("web"), limits=Limits(stage_seconds=15), FAKE_BUILD="slow")
    assert nights.states(night) == {"web": "broken"}
    assert night.results[0].message == "filesystems exceeded the stage limit of 15 s and was stopped"
    assert not list(nights.out.glob("web/*.partial"))


def test_a_failing_network_is_tried_again(nights: Nights) -> None:
    night = nights.run(nights.recipe("web"), FAKE_BUILD="network")
    assert night.results[0].attempts == 3
    assert nights.states(night) == {"web": "broken"}
    assert sum("because of the network" in note for note in night.notes) == 2


def test_a_failure_that_is_not_the_networks_is_not(nights: Nights) -> None:
    night = nights.run(nights.recipe("web"), FAKE_BUILD="fails")
    assert night.results[0].attempts == 1


def test_two_nights_at_once(nights: Nights) -> None:
    nights.out.mkdir()
    with hold_file(nights.out / ".nightly.lock"), pytest.raises(BuildError, match="another run is writing"):
        nights.run(nights.recipe("web"))
    assert nights.states(nights.run(nights.recipe("web"))) == {"web": "passed"}


def test_a_second_night_is_refused_and_a_killed_one_gives_the_output_back(nights: Nights) -> None:
    recipes = [nights.recipe("web"), nights.recipe("db")]
    nights.run(recipes[0])
    argv = [*PROGRAM, "nightly", *map(str, recipes), "-o", str(nights.out), "--no-update"]
    log, deadline = nights.out / "db/build.log", time.monotonic() + 60
    with subprocess.Popen(argv, env=os.environ | {"FAKE_BUILD": "slow"}, stdout=subprocess.DEVNULL) as first:
        while "READY" not in (log.read_text() if log.exists() else "") and time.monotonic() < deadline:
            assert first.poll() is None
            time.sleep(0.1)
        with pytest.raises(BuildError, match="another run is writing"):
            nights.run(*recipes)
        first.kill()
    time.sleep(1)  # its build ends with it, a moment later
    night = nights.run(*recipes)
    assert nights.states(night) == {"web": "unchanged", "db": "passed"}
    assert [each["number"] for each in nights.summary()["nights"]] == [1, 2]  # type: ignore[attr-defined]
    assert not list(nights.out.glob("*/*.partial"))


def test_a_scheduler_that_is_not_there(nights: Nights, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imagebuild.nightly.engine.CONNECT_SECONDS", 1)
    with pytest.raises(HostError, match=r"the scheduler .* cannot be reached"):
        nights.run(nights.recipe("web"), scheduler="tcp://127.0.0.1:9")
    assert nights.states(nights.run(nights.recipe("web"))) == {"web": "passed"}, "the output is free"


def test_a_clock_that_is_set_back(nights: Nights) -> None:
    recipe = nights.recipe("web")
    nights.run(recipe)
    nights.now -= timedelta(days=400)
    night = nights.run(recipe)
    assert night.number == 2
    assert any("the clock was set back" in note for note in night.notes)
    assert nights.states(night) == {"web": "unchanged"}
    numbers = [each["number"] for each in nights.summary()["nights"]]  # type: ignore[attr-defined]
    assert numbers == [1, 2]
    assert "the clock was set back" in (nights.out / "summary.html").read_text()


def test_a_full_disk_is_told_and_changes_nothing(nights: Nights) -> None:
    recipe = nights.recipe("web")
    nights.run(recipe)
    recipe.write_text(recipe.read_text() + "# changed\n")
    night = nights.run(recipe, nights.recipe("db"), FAKE_BUILD="no-space")
    assert nights.states(night) == {"web": "broken", "db": "broken"}
    assert any("the disk was full" in note for note in night.notes)
    assert (nights.out / "web/web.raw").read_bytes() == b"image of web"
    assert nights.states(nights.run(recipe)) == {"web": "passed"}


def test_a_night_that_cannot_be_read_does_not_lose_its_number(nights: Nights) -> None:
    recipe = nights.recipe("web")
    nights.run(recipe)
    (nights.out / "nights/000001.json").write_text("{")
    night = nights.run(recipe)
    assert night.number == 2
    assert any("000001.json cannot be read" in note for note in night.notes)
    assert nights.states(night) == {"web": "passed"}, "nobody knows what it was made from"


def test_a_damaged_cache_entry_is_found_by_its_digest_and_made_again(nights: Nights) -> None:
    cache = Cache()

    def make(folder: Path) -> None:
        (folder / "tree.tar").write_bytes(b"a tree")

    folder, _ = cache.get("trees", "0" * 64, make)
    (folder / "tree.tar").write_bytes(b"A TREE")  # of the same size
    night = nights.run(nights.recipe("web"))
    assert cache.find("trees", "0" * 64) is None
    assert (cache.get("trees", "0" * 64, make)[0] / "tree.tar").read_bytes() == b"a tree"
    assert "trees/0000000000000000 was damaged (tree.tar: changed)" in night.notes[0]
    assert "was damaged" in (nights.out / "summary.html").read_text()
    assert nights.run(nights.recipe("web")).notes == ()


@pytest.mark.needs("root")
def test_a_disk_that_is_really_full(nights: Nights) -> None:
    """A small filesystem in memory, filled while a recipe is built: the older result and the summary stay whole."""
    nights.out.mkdir()
    with small_filesystem(nights.out):
        recipe = nights.recipe("web")
        nights.run(recipe)
        before = (nights.out / "web/web.raw").read_bytes()
        recipe.write_text(recipe.read_text() + "# changed\n")
        night = nights.run(recipe, FAKE_BUILD="fills")
        assert nights.states(night) == {"web": "broken"}
        assert "no space left" in night.results[0].message
        assert (nights.out / "web/web.raw").read_bytes() == before
        assert [each["number"] for each in nights.summary()["nights"]] == [1, 2]  # type: ignore[attr-defined]
        assert "the disk was full" in (nights.out / "summary.html").read_text()


@contextlib.contextmanager
def small_filesystem(folder: Path) -> Iterator[None]:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "imagebuild-test", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
