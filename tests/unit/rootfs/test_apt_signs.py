"""Each trouble with an archive gets its advice, by the words of the real apt about an archive made here."""

from __future__ import annotations

import functools
import hashlib
import http.server
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from imagebuild.rootfs.debian.apt_signs import explained
from tests.conftest import Needs

INDEX = "Package: hello\nVersion: 1\nArchitecture: amd64\nFilename: pool/hello.deb\nSize: 3\n\n"


class Archive:
    """Archives in directories, signed by us or by somebody else; and apt, which trusts us alone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "gnupg"
        self.home.mkdir(mode=0o700)
        for name in ("ours", "other"):
            self.gpg("--passphrase", "", "--quick-gen-key", f"{name}@example.org", "ed25519", "sign", "never")
        self.gpg("-o", str(folder / "ours.gpg"), "--export", "ours@example.org")

    def gpg(self, *argv: str) -> None:
        command = ["gpg", "--homedir", str(self.home), "--batch", "--yes", "--quiet", *argv]
        subprocess.run(command, check=True, capture_output=True)

    def make(
        self, name: str, *, days: float = -2, valid_days: float = 9, key: str = "ours", index: str = INDEX
    ) -> None:
        """An archive with the suite `x`. `days`: its date, from now; `index`: what lies there, whatever it promises."""
        suite = self.folder / name / "dists/x"
        (suite / "main/binary-amd64").mkdir(parents=True)
        (suite / "main/binary-amd64/Packages").write_text(index)
        digest = hashlib.sha256(INDEX.encode()).hexdigest()
        (suite / "Release").write_text(
            f"Origin: x\nSuite: x\nCodename: x\nDate: {_moment(days)}\nValid-Until: {_moment(valid_days)}\n"
            f"Architectures: amd64\nComponents: main\nSHA256:\n {digest} {len(INDEX)} main/binary-amd64/Packages\n"
        )
        self.gpg("-u", f"{key}@example.org", "-o", str(suite / "InRelease"), "--clearsign", str(suite / "Release"))

    def update(self, url: str, suite: str = "x") -> str:
        """What `apt-get update` says."""
        root = self.folder / "apt"
        for name in ("lists/partial", "cache/archives/partial", "etc/apt.conf.d", "etc/preferences.d", "state"):
            (root / name).mkdir(parents=True, exist_ok=True)
        (root / "status").touch()
        (root / "sources.list").write_text(f"deb [signed-by={self.folder}/ours.gpg] {url} {suite} main\n")
        settings = {
            "Dir::Etc": root / "etc", "Dir::Etc::SourceParts": "/dev/null",
            "Dir::Etc::SourceList": root / "sources.list",
            "Dir::State": root / "state", "Dir::State::Lists": root / "lists", "Dir::State::Status": root / "status",
            "Dir::Cache": root / "cache", "APT::Architecture": "amd64", "Acquire::Languages": "none",
            "Acquire::Check-Date": "true", "Acquire::Check-Valid-Until": "true", "Acquire::Retries": "0",
            "APT::Sandbox::User": "",
        }  # fmt: skip
        options = [f"-o={name}={value}" for name, value in settings.items()]
        done = subprocess.run(["apt-get", "update", *options], capture_output=True, text=True, timeout=60)
        return done.stdout + done.stderr


def _moment(days: float) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(days=days)).replace("+0000", "UTC")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory, needs: Needs) -> Archive:
    needs("apt-get", "gpg")
    return Archive(tmp_path_factory.mktemp("archive"))


@pytest.fixture
def server(archive: Archive) -> Iterator[str]:
    """Over HTTP, where a mirror may be half-way through its update."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_arguments: object) -> None: ...

    handler = functools.partial(Quiet, directory=str(archive.folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as found:
        threading.Thread(target=found.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{found.server_address[1]}"
        found.shutdown()


def what(output: str, suite: str = "x", mirror: str | None = None) -> tuple[str, str]:
    found = explained(output, suite, mirror)
    assert found is not None, output
    return found


def test_a_good_archive_has_no_trouble(archive: Archive) -> None:
    archive.make("good")
    assert explained(archive.update(f"copy:{archive.folder}/good"), "x", None) is None


def test_an_expired_release(archive: Archive) -> None:
    archive.make("expired", days=-20, valid_days=-10)
    brief, cure = what(archive.update(f"copy:{archive.folder}/expired"))
    assert brief.startswith("the mirror's Release file has expired")
    assert "snapshot.debian.org" in cure


def test_a_release_from_the_future(archive: Archive) -> None:
    archive.make("future", days=3)
    assert "clock is behind" in what(archive.update(f"copy:{archive.folder}/future"))[0]


def test_a_foreign_key(archive: Archive) -> None:
    archive.make("foreign", key="other")
    said = archive.update(f"copy:{archive.folder}/foreign")
    assert "not signed with a key that this machine trusts" in what(said)[0]
    assert "ubuntu-keyring" in what(said, "noble")[1]
    assert "ubuntu-keyring" in what(said, "x", "http://archive.ubuntu.com/ubuntu")[1]


def test_an_archive_without_the_suite(archive: Archive, server: str) -> None:
    archive.make("suites")
    said = archive.update(f"{server}/suites", "noble")
    assert what(said, "bokworm") == (
        "the mirror does not have this suite",
        "check rootfs.debian.suite (a code name such as bookworm) and rootfs.debian.mirror",
    )
    brief, cure = what(said, "noble")
    assert brief == "noble is a suite of Ubuntu, which has an archive and keys of its own"
    assert "http://archive.ubuntu.com/ubuntu" in cure


@pytest.mark.parametrize("over", ["copy", "http"])
def test_a_mirror_in_the_middle_of_its_update(over: str, archive: Archive, server: str) -> None:
    archive.make(f"stale-{over}", index=INDEX + "Extra: x\n")
    base = server if over == "http" else f"copy:{archive.folder}"
    brief, cure = what(archive.update(f"{base}/stale-{over}"))
    assert brief.startswith("the mirror is out of date or being updated")
    assert cure.startswith("try again in some minutes")


def test_a_mirror_that_nobody_answers_at(archive: Archive) -> None:
    assert what(archive.update("http://127.0.0.1:1/debian"))[0] == "the mirror cannot be reached"
