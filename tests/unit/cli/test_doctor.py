"""`doctor`: what it says of a machine, with probes that answer as the test wants."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from imagebuild.cli.commands.doctor import _table, progress_for, show
from imagebuild.host import capabilities
from imagebuild.host.cache import Cache
from imagebuild.host.capabilities import Capability, Probe
from imagebuild.operations.doctor import DoctorRequest, examine

GOOD = Capability("qemu", "ok", "tried: it runs")
LIMITED = Capability("acceleration", "limited", "tried: no KVM", "turn it on")
LACKING = Capability("guestfs", "lacking", "tried: no binding", "install the Debian package python3-guestfs")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGEBUILD_CACHE", str(tmp_path / "cache"))


def doctor(*answers: Capability, as_json: bool = False, pv_grub: Path | None = None) -> int:
    def find(cache: Cache) -> Sequence[Probe]:
        return [Probe(answer.name, f"trying {answer.name}", lambda answer=answer: (answer,)) for answer in answers]  # type: ignore[misc]

    with progress_for(as_json=as_json) as progress:
        found = examine(DoctorRequest(pv_grub=pv_grub), Cache(), progress, find)
    return show(found, as_json=as_json)


def test_a_good_machine(capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor(GOOD, LIMITED) == 0
    said = capsys.readouterr()
    assert said.out.startswith("ok       qemu          tried: it runs\nlimited  acceleration  tried: no KVM\n")
    assert "what to do: turn it on" in said.out
    assert said.out.endswith("This machine can build and verify images.\n")
    assert "trying qemu …" in said.err, "progress goes out of the table's way"


def test_a_lack_is_exit_code_4_and_says_what_to_install(capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor(GOOD, LACKING) == 4
    said = capsys.readouterr().out
    assert "lacking  guestfs   tried: no binding\n" in said
    assert "what to do: install the Debian package python3-guestfs\n" in said
    assert said.endswith("cannot build and verify images yet. Missing: guestfs.\n")


def test_long_lines_break_at_words() -> None:
    """On a terminal; in a pipe each is one line, for grep."""
    long = Capability("guestfs", "lacking", "tried: " + "a word " * 30, "install " + "this and that " * 9)
    lines = ["".join(text for text, _ in line) for line in _table([long], 60)]
    assert max(map(len, lines)) <= 60
    assert {line[:18] for line in lines[1:]} == {" " * 18}
    assert " ".join(" ".join(line[18:] for line in lines).split()).count("a word") == 30
    assert len(_table([long], 0)) == 2


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor(GOOD, LACKING, as_json=True) == 4
    document = json.loads(capsys.readouterr().out)
    assert document["ready"] is False
    assert document["capabilities"][1] == {
        "name": "guestfs", "state": "lacking", "evidence": "tried: no binding",
        "resolution": "install the Debian package python3-guestfs", "needed": True,
    }  # fmt: skip
    assert {"testhost", "pv-grub"} <= {item["name"] for item in document["capabilities"]}


def test_the_loader_that_boots_the_guests_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program = (
        b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00\x3e\x00" + b"Xen Minimal OS (pv)! GNU GRUB  version %s 0.97"
    )
    (tmp_path / "real").write_bytes(gzip.compress(program, mtime=0))
    assert doctor(pv_grub=tmp_path / "real") == 0
    digest = hashlib.sha256((tmp_path / "real").read_bytes()).hexdigest()
    assert f"{tmp_path / 'real'}: the genuine PV-GRUB, GRUB 0.97, sha256 {digest}" in capsys.readouterr().out


def test_without_a_genuine_loader_it_says_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("IMAGEBUILD_PV_GRUB", raising=False)
    monkeypatch.setattr("imagebuild.verify.loaders._FIRMWARE_FOLDERS", ())
    assert doctor() == 0
    said = capsys.readouterr().out
    assert "stand-in (GRUB 2 reading menu.lst)" in said
    assert "what to do: Xen's own sources make the genuine one" in said

    (tmp_path / "pv-grub").touch()
    assert doctor(pv_grub=tmp_path / "pv-grub") == 0
    said = capsys.readouterr().out
    assert f"{tmp_path / 'pv-grub'} (--pv-grub) is no PV-GRUB for x86_64" in said
    assert "Xen's own sources make the genuine one" in said


def test_a_program_that_is_missing_is_a_lack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real probe, on a PATH where a broken mmdebstrap stands first."""
    program = tmp_path / "mmdebstrap"
    program.write_text("#!/bin/sh\necho broken >&2\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    probe = next(probe for probe in capabilities.probes(Cache()) if probe.name == "mmdebstrap")
    (answer,) = probe.run()
    assert (answer.state, "ended with 3; broken" in answer.evidence) == ("lacking", True)
    assert "mmdebstrap" in answer.resolution


def test_a_cache_that_cannot_be_written_is_a_lack(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    probe = next(probe for probe in capabilities.probes(Cache(tmp_path / "file")) if probe.name == "cache")
    (answer,) = probe.run()
    assert (answer.state, "IMAGEBUILD_CACHE" in answer.resolution) == ("lacking", True)
