"""Which loader is chosen, and what passes for a genuine PV-GRUB."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from imagebuild.errors import HostError
from imagebuild.host.cache import Cache
from imagebuild.image.boot_files import EntryFiles, NoEntry
from imagebuild.image.subject import Subject
from imagebuild.testhost import TestHost
from imagebuild.verify.guest_start import loader_for, why_not_under_xen
from imagebuild.verify.loaders import CACHE_KIND, ENVIRONMENT_VARIABLE, FILE_NAME, GuestLoader, choose_loader
from imagebuild.vocabulary import BootLoader
from tests.images import kernel

ELF = b"\x7fELF\x02\x01\x01" + b"\0" * 9 + b"\x02\x00\x3e\x00"
GENUINE = gzip.compress(ELF + b"Xen Minimal OS (pv)! GNU GRUB  version %s 0.97")


@pytest.fixture
def host(tmp_path: Path) -> TestHost:
    folder = tmp_path / "host"
    folder.mkdir()
    (folder / "stand-in-hd0").write_bytes(b"GRUB 2")
    (folder / "stand-in-hd00").write_bytes(b"GRUB 2, too")
    (folder / "facts.json").write_text(json.dumps({"loader_version": "2.06"}))
    return TestHost(folder)


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ENVIRONMENT_VARIABLE, raising=False)
    monkeypatch.setattr("imagebuild.verify.loaders._FIRMWARE_FOLDERS", ())


def written(path: Path, content: bytes = GENUINE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def choose(host: TestHost, tmp_path: Path, asked: Path | None = None, menu_path: str | None = None) -> GuestLoader:
    return choose_loader(host, "hd00", menu_path=menu_path, asked=asked, cache=Cache(tmp_path / "cache"))


def test_the_stand_in_where_there_is_no_genuine_one(host: TestHost, tmp_path: Path) -> None:
    found = choose(host, tmp_path)
    assert (found.path, found.extra) == (host.stand_in("hd00"), "")
    assert (found.facts.kind, found.facts.version) == ("stand-in", "GRUB 2.06")


def test_the_one_in_the_cache_comes_by_itself(host: TestHost, tmp_path: Path) -> None:
    kept = written(tmp_path / "cache" / CACHE_KIND / "0123" / FILE_NAME)
    found = choose(host, tmp_path)
    assert found.path == kept
    assert (found.facts.kind, found.facts.version) == ("pv-grub", "GRUB 0.97")
    assert found.extra == "(hd0,0)/boot/grub/menu.lst"


def test_the_one_asked_for_is_told_where_the_menu_is(host: TestHost, tmp_path: Path) -> None:
    written(tmp_path / "cache" / CACHE_KIND / "0123" / FILE_NAME)
    asked = written(tmp_path / "mine.gz")
    found = choose(host, tmp_path, asked, "/grub/menu.lst")
    assert (found.path, found.extra) == (asked, "(hd0,0)/grub/menu.lst")


def test_the_environment_names_one(host: TestHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named = written(tmp_path / "named")
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(named))
    assert choose(host, tmp_path).path == named


@pytest.mark.parametrize(
    "content",
    [b"", b"\x1f\x8bgarbage", gzip.compress(b"text"), gzip.compress(ELF + b"GNU GRUB"), ELF.replace(b"\x3e", b"\x03")],
    ids=["empty", "garbage", "text", "no mini-os", "i386"],
)
def test_what_is_no_pv_grub_is_refused_when_named_and_passed_over_when_found(
    content: bytes, host: TestHost, tmp_path: Path
) -> None:
    written(tmp_path / "cache" / CACHE_KIND / FILE_NAME, content)
    assert choose(host, tmp_path).facts.kind == "stand-in"
    with pytest.raises(HostError, match="is no PV-GRUB"):
        choose(host, tmp_path, written(tmp_path / "mine", content))


@pytest.mark.parametrize(
    ("meant_for", "label", "named", "kind", "note"),
    [
        ("pv-grub", "dos", False, "pv-grub", ""),
        ("pv-grub", "gpt", True, "pv-grub", ""),
        ("pv-grub", "gpt", False, "stand-in", "the public one does not"),
        ("pvgrub2", "dos", False, "stand-in", "meant for pvgrub2"),
        ("pvgrub2", "dos", True, "stand-in", "meant for pvgrub2"),
    ],
)
def test_a_genuine_one_that_is_no_judge_is_passed_over_with_a_word(
    meant_for: BootLoader, label: str, named: bool, kind: str, note: str, host: TestHost, tmp_path: Path
) -> None:
    kept = written(tmp_path / "cache" / CACHE_KIND / "0123" / FILE_NAME)
    nothing_to_start = SimpleNamespace(
        menu_at=None, menu=None, menu_problem="", menu_path="", layout="hd00", table=SimpleNamespace(label=label)
    )
    subject = cast("Subject", nothing_to_start)
    asked = kept if named else None
    found = loader_for(subject, host, asked=asked, cache=Cache(tmp_path / "cache"), meant_for=meant_for)
    assert found.facts.kind == kind
    assert note in found.note
    assert (str(kept) in found.note) == bool(note)


def test_a_pv_grub_for_i386_is_named_as_one(host: TestHost, tmp_path: Path) -> None:
    wide = gzip.decompress(GENUINE)
    narrow = wide.replace(ELF, b"\x7fELF\x01\x01\x01" + b"\0" * 9 + b"\x02\x00\x03\x00")
    with pytest.raises(HostError, match="is a PV-GRUB for i386, and the test host's Xen runs x86_64 guests only"):
        choose(host, tmp_path, written(tmp_path / "mine", gzip.compress(narrow)))


@pytest.mark.parametrize(("flags", "words"), [(0, "runs no 32-bit PV guests"), (1, "")])
def test_a_32_bit_kernel_is_not_judged_under_xen(flags: int, words: str) -> None:
    files = EntryFiles("Test", kernel(flags=flags, release="4.9.0"), None, "ro", 0)
    assert words in why_not_under_xen(files)
    assert bool(why_not_under_xen(files)) is bool(words)
    assert why_not_under_xen(NoEntry("no menu")) == ""
