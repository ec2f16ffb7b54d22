"""Verdicts are given once, by a judge that is known; and what a file's sha256 is, without reading it twice."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from imagebuild.events import Progress, Quiet
from imagebuild.host import known_digest
from imagebuild.host.cache import Cache
from imagebuild.host.digest import image_sha256
from imagebuild.report import Boot, BootEnd, Check, ImageFacts, Loader, Outcome, Verdict
from imagebuild.verify import kept, runner
from imagebuild.verify.request import BootSettings, Request, Verification

CHECK = Check(machine="qemu", name="boot", outcome=Outcome.PASSED, detail="it came up")
BOOT = Boot(
    machine="qemu", end=BootEnd.REACHED, milestones=(), console="console-qemu.log",
    loader=Loader(kind="direct", version="7"), seconds=1,
)  # fmt: skip


class Judge:
    """Stands in for the runner: counts, writes a console, and says what it is told to say."""

    def __init__(self) -> None:
        self.runs = 0
        self.change: Callable[[Verification], Verification] = lambda result: result

    def __call__(self, request: Request, *, cache: Cache, progress: Progress) -> Verification:
        self.runs += 1
        assert request.sha256 is not None
        (request.output / BOOT.console).write_text(f"run {self.runs}")
        facts = ImageFacts(path=str(request.image), sha256=request.sha256, size_bytes=3, real_bytes=4096)
        return self.change(Verification(facts, (CHECK,), (BOOT,), (), Verdict.PASSED))


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch) -> Judge:
    judge = Judge()
    monkeypatch.setattr(runner, "verify_image", judge)
    monkeypatch.delenv("IMAGEBUILD_PV_GRUB", raising=False)
    return judge


@pytest.fixture
def request_(tmp_path: Path) -> Request:
    (tmp_path / "image.raw").write_bytes(b"one")
    (tmp_path / "consoles").mkdir()
    return Request(tmp_path / "image.raw", tmp_path / "consoles", ("static", "qemu"))


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def verify(request: Request, cache: Cache) -> Verification:
    return kept.verify_image(request, cache=cache, progress=Quiet())


def test_the_same_bytes_are_judged_once_wherever_they_lie(
    judge: Judge, request_: Request, cache: Cache, tmp_path: Path
) -> None:
    first = verify(request_, cache)
    assert (first.kept_at, judge.runs) == ("", 1)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "copy.raw").write_bytes(b"one")
    again = verify(replace(request_, image=elsewhere / "copy.raw", output=elsewhere), cache)
    assert judge.runs == 1
    assert again.kept_at.endswith("+00:00")
    assert (again.checks, again.boots, again.verdict) == (first.checks, first.boots, first.verdict)
    assert again.image.path == str(elsewhere / "copy.raw")
    assert (elsewhere / BOOT.console).read_text() == "run 1"


def test_other_bytes_or_another_question_are_judged_anew(judge: Judge, request_: Request, cache: Cache) -> None:
    verify(request_, cache)
    asked = [
        replace(request_, machines=("qemu",)),
        replace(request_, qemu=BootSettings(expect="ready")),
        replace(request_, loader="pygrub"),
        replace(request_, anew=True),
    ]
    for number, request in enumerate(asked, start=2):
        assert verify(request, cache).kept_at == ""
        assert judge.runs == number
    verify(replace(request_, xen=BootSettings(timeout_seconds=1)), cache)
    assert judge.runs == 5, "how a machine boots that was not in this run does not matter"
    request_.image.write_bytes(b"two")
    verify(request_, cache)
    assert judge.runs == 6


@pytest.mark.parametrize(
    "change",
    [
        lambda result: replace(result, verdict=Verdict.UNVERIFIED),
        lambda result: replace(result, verdict=Verdict.FAILED, complete=False),
    ],
)
def test_only_whole_verdicts_are_kept(
    judge: Judge, request_: Request, cache: Cache, change: Callable[[Verification], Verification]
) -> None:
    judge.change = change
    verify(request_, cache)
    verify(request_, cache)
    assert judge.runs == 2


def test_a_bad_image_stays_bad(judge: Judge, request_: Request, cache: Cache) -> None:
    judge.change = lambda result: replace(result, verdict=Verdict.FAILED)
    verify(request_, cache)
    assert verify(request_, cache).verdict is Verdict.FAILED
    assert judge.runs == 1


def test_a_damaged_verdict_is_not_believed(judge: Judge, request_: Request, cache: Cache) -> None:
    verify(request_, cache)
    (file,) = (cache.root / kept.KIND).glob("*/verdict.json")
    file.write_text(file.read_text().replace('"verdict":"passed"', '"verdict":"failed"').replace("it came", "it CAME"))
    assert verify(request_, cache).checks[0].detail == "it came up"
    assert judge.runs == 2
    assert verify(request_, cache).kept_at, "it was made again"


def test_a_judge_whose_code_has_changed(
    judge: Judge, request_: Request, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    verify(request_, cache)
    monkeypatch.setattr(kept, "_own_digest", lambda: "other code")
    verify(request_, cache)
    assert judge.runs == 2


def test_an_image_that_is_not_touched_is_not_read_again(
    tmp_path: Path, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []

    def read_it(path: Path, stop: threading.Event) -> str:
        read.append(path)
        return image_sha256(path, stop)

    monkeypatch.setattr(known_digest, "image_sha256", read_it)
    image = tmp_path / "image.raw"
    image.write_bytes(b"one")
    digest = known_digest.known_sha256(image, cache)
    known_digest.known_sha256(image, cache)
    assert len(read) == 2, "written just now: a second write might not show in its times"
    os.utime(image, (1000, 1000))
    assert {known_digest.known_sha256(image, cache) for _ in range(3)} == {digest}
    assert len(read) == 3
    image.write_bytes(b"two")
    os.utime(image, (1000, 1000))  # the size and the time of writing are the same again; that of change is not
    assert known_digest.known_sha256(image, cache) != digest
    for stamp in (cache.root / "stamps").iterdir():
        stamp.write_text(json.dumps("nonsense"))
    assert known_digest.known_sha256(image, cache)
    image.rename(tmp_path / "renamed.raw")
    known_digest.remember_sha256(tmp_path / "renamed.raw", cache, "known")
    assert known_digest.known_sha256(tmp_path / "renamed.raw", cache) == "known"
