"""The state of a ready dom0, kept in the cache: taken up again in a second, where booting Xen and dom0 takes ten.

A state fits one QEMU version, one command line and one test host: all of them are in its key. It is made in passing,
by the first boot that has none: the machine is stopped when dom0 is ready, written out, and goes on. No disk is
plugged in by then, so it holds nothing of any image.
"""

from __future__ import annotations

import hashlib
import json
import shlex
import shutil
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from imagebuild.errors import Interrupted, VerifyError
from imagebuild.host.cache import Cache, Entry
from imagebuild.host.cache_kinds import Kind
from imagebuild.verify.machine import Machine

KIND: Kind = "dom0-state"
_FORMAT = 1
_PAUSE_SECONDS = 0.05
_LIMIT_SECONDS = 120.0
# QEMU's own limit is meant for networks.
_BANDWIDTH_BYTES = 2**40
_PENDING = frozenset({"none", "setup", "active", "device", "pre-switchover", "wait-unplug"})


@dataclass(frozen=True, slots=True)
class KeptState:
    """`memory` is QEMU's migration stream; `console` what the console had said by then."""

    folder: Path

    @property
    def memory(self) -> Path:
        return self.folder / "memory"

    @property
    def console(self) -> Path:
        return self.folder / "console.log"


@dataclass(frozen=True, slots=True)
class StateStore:
    """The kept state for one machine: the words that start it, and the folder of files that they name."""

    cache: Cache
    digest: str

    @classmethod
    def of(cls, cache: Cache, arguments: Sequence[str], test_host: Path, qemu: str) -> StateStore:
        """`arguments`: those of the machine without disks; `test_host`: its cache entry; `qemu`: the version."""
        parts = [_FORMAT, list(arguments), test_host.name, qemu]
        return cls(cache, hashlib.sha256(json.dumps(parts).encode()).hexdigest())

    def find(self) -> KeptState | None:
        folder = self.cache.find(KIND, self.digest)
        return KeptState(folder) if folder else None

    def keep(self, machine: Machine, console: Path, stop: threading.Event) -> None:
        """Write the state of this machine out, unless it is there by now; the machine goes on afterwards.

        Raises VerifyError when that fails; the machine may be of no use then.
        """

        def make(folder: Path) -> None:
            kept = KeptState(folder)
            shutil.copyfile(console, kept.console)
            machine.execute("migrate-set-parameters", max_bandwidth=_BANDWIDTH_BYTES)
            machine.execute("migrate", uri=f"exec:cat > {shlex.quote(str(kept.memory))}")
            _wait_for_migration(machine, stop)

        machine.execute("stop")
        try:
            self.cache.get(KIND, self.digest, make)
        finally:
            machine.execute("cont")

    def forget(self) -> None:
        """Remove the state, which could not be taken up, unless another process uses it: to wait for that is no use."""
        self.cache.remove(Entry(KIND, self.digest, self.cache.path(KIND, self.digest), size_bytes=0, used=0.0))


# The words that make a machine wait for its state.
INCOMING = ("-incoming", "defer")


def take_up(machine: Machine, kept: KeptState, stop: threading.Event) -> None:
    """Fill a machine that was started with INCOMING; it is stopped afterwards. Raises VerifyError when that fails."""
    machine.execute("migrate-incoming", uri=f"exec:cat {shlex.quote(str(kept.memory))}")
    _wait_for_migration(machine, stop)


def _wait_for_migration(machine: Machine, stop: threading.Event) -> None:
    deadline = time.monotonic() + _LIMIT_SECONDS
    while time.monotonic() < deadline:
        if stop.is_set():
            raise Interrupted("the boot was stopped")
        answer = machine.execute("query-migrate")
        status = answer.get("status", "none")
        if status == "completed":
            return
        if status not in _PENDING:
            raise VerifyError(f"QEMU could not move the machine's state: {answer.get('error-desc', status)}")
        time.sleep(_PAUSE_SECONDS)
    raise VerifyError(f"QEMU did not move the machine's state within {_LIMIT_SECONDS:.0f} s")
