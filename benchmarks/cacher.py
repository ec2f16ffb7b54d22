"""One cache of Debian packages for all tools: apt-cacher-ng, on this machine only, with files of its own.

So the network is not measured, and no tool gains by a cache that another lacks: each asks a mirror over HTTP, as it is
used to, and this one answers from disk.
"""

from __future__ import annotations

import contextlib
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from imagebuild.host.apt_sources import debian_mirrors

_PORT = 3199
_DEFAULT = "http://deb.debian.org/debian"


@contextlib.contextmanager
def mirror(folder: Path, suite: str) -> Iterator[str]:
    """The mirror's address, while the block runs. Raises RuntimeError when the cache does not start."""
    (folder / "packages" / "log").mkdir(parents=True, exist_ok=True)
    words = ["apt-cacher-ng", "ForeGround=1", f"Port={_PORT}", "BindAddress=127.0.0.1", "ExThreshold=60"]
    words += [f"CacheDir={folder}/packages", f"LogDir={folder}/packages/log", f"SocketPath={folder}/packages/socket"]
    lines = debian_mirrors(suite)
    origin = next((word for line in lines[:1] for word in line.split() if "://" in word), _DEFAULT)
    address = f"http://127.0.0.1:{_PORT}/{origin.split('://', 1)[1].rstrip('/')}"
    with (folder / "packages" / "output").open("wb") as output:
        process = subprocess.Popen(words, stdout=output, stderr=output)
        try:
            _wait(process, f"{address}/dists/{suite}/InRelease")
            yield address
        finally:
            process.terminate()
            process.wait()


def _wait(process: subprocess.Popen[bytes], address: str) -> None:
    for _second in range(30):
        if process.poll() is not None:
            break
        with contextlib.suppress(OSError), urllib.request.urlopen(address, timeout=30) as answer:
            answer.read()
            return
        time.sleep(1)
    raise RuntimeError(f"apt-cacher-ng does not answer at {address}")
