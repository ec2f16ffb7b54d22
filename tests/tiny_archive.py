"""A Debian archive of a few tiny packages, signed, served on the loopback: apt's own answers in a moment."""

from __future__ import annotations

import contextlib
import functools
import gzip
import hashlib
import http.server
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

SUITE = "tiny"
_CONTROL = """\
Package: {name}
Version: {version}
Architecture: {architecture}
Maintainer: A Test <test@example.invalid>
Priority: {priority}
Description: nothing
"""


@dataclass
class TinyArchive:
    """`put` a package in a version, then `publish`. `answers`: (path, HTTP status) of each request since `forget`."""

    folder: Path
    keys: Path
    url: str = ""
    answers: list[tuple[str, int]] = field(default_factory=list)
    _published: datetime = datetime(2026, 11, 1, tzinfo=UTC)

    def put(self, name: str, version: str, more: str = "", priority: str = "optional") -> None:
        """Build a real package; the one in another version is gone, as in Debian's own archive."""
        for older in (self.folder / "pool").glob(f"{name}_*.deb"):
            older.unlink()
        tree = self.folder.parent / "package"
        (tree / "DEBIAN").mkdir(parents=True, exist_ok=True)
        control = _CONTROL.format(name=name, version=version, architecture="all", priority=priority) + more
        (tree / "DEBIAN/control").write_text(control)
        (self.folder / "pool").mkdir(parents=True, exist_ok=True)
        deb = self.folder / f"pool/{name}_{version}_all.deb"
        subprocess.run(["dpkg-deb", "--root-owner-group", "--build", tree, deb], check=True, capture_output=True)

    def publish(self) -> str:
        """Write the index and sign it; returns the moment that the archive then shows."""
        self._published += timedelta(days=1)
        dist = self.folder / f"dists/{SUITE}"
        binary = dist / "main/binary-amd64"
        binary.mkdir(parents=True, exist_ok=True)
        index = "\n".join(map(self._record, sorted((self.folder / "pool").glob("*.deb")))).encode()
        (binary / "Packages.gz").write_bytes(gzip.compress(index))
        sums = "".join(
            f" {hashlib.sha256(content).hexdigest()} {len(content)} main/binary-amd64/{name}\n"
            for name, content in (("Packages", index), ("Packages.gz", (binary / "Packages.gz").read_bytes()))
        )
        (dist / "Release").write_text(
            f"Origin: Test\nLabel: Test\nSuite: {SUITE}\nCodename: {SUITE}\nArchitectures: amd64\nComponents: main\n"
            f"Date: {format_datetime(self._published)}\nSHA256:\n{sums}"
        )
        self._sign(dist / "Release", dist / "InRelease")
        self.answers.clear()
        return self._published.strftime("%Y-%m-%dT%H:%M:%SZ")

    def _record(self, deb: Path) -> str:
        control = subprocess.run(["dpkg-deb", "--field", deb], check=True, capture_output=True, text=True).stdout
        content = deb.read_bytes()
        return (
            f"{control}Filename: pool/{deb.name}\nSize: {len(content)}\nSHA256: {hashlib.sha256(content).hexdigest()}\n"
        )

    def _sign(self, release: Path, signed: Path) -> None:
        self.gpg("--yes", "--digest-algo", "SHA256", "--clearsign", "--output", str(signed), str(release))

    def gpg(self, *words: str) -> None:
        home = self.folder.parent / "gnupg"
        home.mkdir(mode=0o700, exist_ok=True)
        argv = ["gpg", "--homedir", str(home), "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""]
        subprocess.run([*argv, *words], check=True, capture_output=True)


@contextlib.contextmanager
def tiny_archive(folder: Path) -> Iterator[TinyArchive]:
    """Empty; its key is in `keys`, a directory as apt's trusted.gpg.d."""
    archive = TinyArchive(folder / "archive", folder / "keys")
    archive.folder.mkdir(parents=True)
    archive.keys.mkdir()
    archive.gpg("--quick-generate-key", "test@example.invalid", "rsa2048", "sign", "never")
    archive.gpg("--output", str(archive.keys / "test.gpg"), "--export")
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(_Handler, archive, directory=str(archive.folder))
    )
    archive.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield archive
    finally:
        server.shutdown()
        server.server_close()
        subprocess.run(["gpgconf", "--homedir", folder / "gnupg", "--kill", "all"], check=False, capture_output=True)


class _Handler(http.server.SimpleHTTPRequestHandler):
    """It knows If-Modified-Since, as every mirror does."""

    def __init__(self, archive: TinyArchive, *arguments: object, directory: str) -> None:
        self._archive = archive
        super().__init__(*arguments, directory=directory)  # type: ignore[arg-type]

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        self._archive.answers.append((self.path, int(code)))

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 (the base class's name for it)
        pass
