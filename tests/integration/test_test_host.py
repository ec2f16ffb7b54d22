"""The Xen test host: the same bytes each time, in other circumstances, and of Debian's packages alone."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagebuild.host.cache import Cache
from imagebuild.testhost import TestHost, definition
from imagebuild.testhost.build import KIND

pytestmark = [pytest.mark.integration, pytest.mark.needs("testhost")]
_MAKE = """
from imagebuild.events import Quiet
from imagebuild.host.cache import Cache
from imagebuild.testhost import prepare

prepare(Cache(), Quiet())
"""
_OURS = {"init", "etc/xen/scripts/block", "etc/xen/xl.conf", "etc/modules.list"}


def members(archive: bytes) -> Iterator[tuple[str, bytes]]:
    """Name and content of each regular file of a cpio archive (newc)."""
    offset = 0
    while True:
        fields = [int(archive[offset + 6 + 8 * number : offset + 14 + 8 * number], 16) for number in range(13)]
        mode, size, name_bytes = fields[1], fields[6], fields[11]
        name = archive[offset + 110 : offset + 110 + name_bytes - 1].decode()
        if name == "TRAILER!!!":
            return
        begin = -(-(offset + 110 + name_bytes) // 4) * 4
        if mode & 0o170000 == 0o100000:
            yield name, archive[begin : begin + size]
        offset = -(-(begin + size) // 4) * 4


def test_every_file_of_dom0_is_that_of_a_package(test_host: TestHost) -> None:
    """The loader among them: it once was this machine's own, and dom0 ended with "stack smashing detected"."""
    tools: dict[str, set[bytes]] = {}
    for path in test_host.tools.root.rglob("*"):
        if path.is_file():
            tools.setdefault(path.name, set()).add(path.read_bytes())
    version = test_host.facts()["kernel_version"].encode()
    seen = set()
    for name, content in members(test_host.initrd.read_bytes()):
        seen.add(name)
        if name.startswith("modules/"):
            assert b"vermagic=" + version in content
        elif name not in _OURS:
            assert content in tools[Path(name).name], f"/{name} is no package's"
    assert seen >= _OURS | {"lib/ld-linux-x86-64.so.2", "lib/libc.so.6", "bin/xl", "bin/busybox"}


def test_no_link_leads_to_the_machine(test_host: TestHost) -> None:
    root = test_host.tools.root.resolve()
    links = [path for path in root.rglob("*") if path.is_symlink()]
    assert links
    assert [path for path in links if not (path.exists() and path.resolve().is_relative_to(root))] == []


def test_made_again_it_has_the_same_bytes(test_host: TestHost, user_cache: Cache, tmp_path: Path) -> None:
    """In another place, with another umask and another time zone, at another moment."""
    environment = os.environ | {"IMAGEBUILD_CACHE": str(tmp_path / "cache"), "TZ": "Asia/Tokyo"}
    words = ["sh", "-c", 'umask 077; exec "$@"', "sh", sys.executable, "-c", _MAKE]
    subprocess.run(words, check=True, env=environment, timeout=1800)
    again = TestHost(Cache(tmp_path / "cache").path(KIND, definition.digest()))
    if (again.folder / "packages.json").read_bytes() == (test_host.folder / "packages.json").read_bytes():
        digests = [cache.content_digest(KIND, definition.digest()) for cache in (user_cache, Cache(tmp_path / "cache"))]
        assert digests[0] == digests[1]
    else:  # the archive has newer packages than the cached one was made of: compare with one made now
        again.folder.rename(tmp_path / "first")
        subprocess.run(words, check=True, env=environment | {"TZ": "UTC"}, timeout=1800)
        assert (tmp_path / "first/.sums.json").read_bytes() == (again.folder / ".sums.json").read_bytes()
