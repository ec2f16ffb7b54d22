"""One QEMU process: its serial console and its monitor as sockets, and its end whatever happens.

QEMU connects to sockets that we listen on, so there is nothing to poll for; the console is heard from byte 0.
"""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from imagebuild.errors import VerifyError
from imagebuild.host import command
from imagebuild.host.acceleration import PACKAGE, PROGRAM
from imagebuild.host.scratch import scratch_folder
from imagebuild.vocabulary import Accelerator

_CONNECT_SECONDS = 60.0
_END_SECONDS = 20.0
_PAUSE_SECONDS = 0.2
_MONITOR_SECONDS = 60.0
# sockaddr_un.sun_path holds 108 bytes (unix(7)).
_LONGEST_SOCKET_PATH = 100
_RECEIVE_BYTES = 2**16
_COMPLAINT_LINES = 20
# q35 and qemu64 are what Xen and Linux were seen to boot on under TCG; `max` crashes the dom0 kernel, EPYC hangs Xen.
CPU = "qemu64"


def base_arguments(accelerator: Accelerator, cpus: int, memory_bytes: int, cpu: str = CPU) -> list[str]:
    """The words that every machine has: nothing attached, nothing shown, a guest's reboot ends it."""
    accel = "kvm" if accelerator == "kvm" else "tcg,thread=multi"
    return [
        "-machine", "q35", "-accel", accel, "-cpu", cpu, "-smp", str(cpus), "-m", f"{memory_bytes // 2**20}M",
        "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-rtc", "base=utc",
    ]  # fmt: skip


def option_value(text: str | Path) -> str:
    """A value inside one of QEMU's comma-separated options: a comma is doubled."""
    return str(text).replace(",", ",,")


DiskFormat = Literal["raw", "qcow2"]


def untouched_disk(name: str, path: Path, disk_format: DiskFormat = "raw") -> list[str]:
    """The words for a file as an unattached disk: writes go to a temporary file that has no name any more."""
    return ["-drive", f"if=none,id={name},file={option_value(path)},format={disk_format},snapshot=on,cache=unsafe"]


@dataclass
class Machine:
    """A running QEMU. Times are seconds since `started` (time.monotonic())."""

    serial: socket.socket
    started: float
    _process: command.Running
    _monitor: socket.socket
    _complaints: list[str] = field(default_factory=list)
    _replies: bytearray = field(default_factory=bytearray)

    def seconds(self) -> float:
        return time.monotonic() - self.started

    def alive(self) -> bool:
        return self._process.alive()

    def hear(self, wait_seconds: float = _PAUSE_SECONDS) -> bytes | None:
        """What the console says; empty if nothing within the wait, None when the machine has ended."""
        self.serial.settimeout(wait_seconds)
        try:
            return self.serial.recv(_RECEIVE_BYTES) or None
        except TimeoutError:
            return b""
        except ConnectionError:
            return None

    def exit_code(self) -> int:
        """Wait for the end, not for ever; negative when a signal ended QEMU."""
        deadline = time.monotonic() + _END_SECONDS
        while self._process.alive() and time.monotonic() < deadline:
            time.sleep(_PAUSE_SECONDS)
        self._process.kill()
        return self._process.wait()

    def complaints(self) -> str:
        """What QEMU itself had to say."""
        return "\n".join(self._complaints[-_COMPLAINT_LINES:])

    def execute(self, name: str, /, **arguments: Any) -> Any:
        """A command of QEMU's monitor (QMP) and its answer. Raises VerifyError when it fails or none comes."""
        request = {"execute": name, "arguments": {key.replace("_", "-"): value for key, value in arguments.items()}}
        deadline = time.monotonic() + _MONITOR_SECONDS
        try:
            self._monitor.sendall(json.dumps(request).encode() + b"\n")
            while True:
                reply = self._reply(deadline)
                if "return" in reply:
                    return reply["return"]
                if "error" in reply:
                    raise VerifyError(f"QEMU's monitor refused {name}: {reply['error'].get('desc')}")
        except (OSError, ValueError) as error:
            message = f"QEMU's monitor did not answer {name}: {error}"
            raise VerifyError(message, details=self.complaints()) from error

    def _reply(self, deadline: float) -> dict[str, Any]:
        """The next message; events are among them."""
        while b"\n" not in self._replies:
            self._monitor.settimeout(max(deadline - time.monotonic(), 0.01))
            data = self._monitor.recv(_RECEIVE_BYTES)
            if not data:
                raise ConnectionError("it has ended")
            self._replies += data
        line, _, rest = bytes(self._replies).partition(b"\n")
        self._replies[:] = rest
        message = json.loads(line)
        return message if isinstance(message, dict) else {}

    def greet(self) -> None:
        """QMP's handshake."""
        self.execute("qmp_capabilities")


@contextlib.contextmanager
def machine(arguments: Sequence[str], *, folder: Path | None = None) -> Iterator[Machine]:
    """Run QEMU with these words (and `folder` as its current one) for the length of the block.

    Raises HostError when QEMU is not installed, VerifyError when it does not start.
    """
    command.require(PROGRAM, PACKAGE)
    complaints: list[str] = []

    def complain(data: bytes) -> None:
        complaints.extend(data.decode("utf-8", "replace").splitlines())
        del complaints[:-_COMPLAINT_LINES]

    with contextlib.ExitStack() as stack:
        sockets = stack.enter_context(_socket_folder())
        argv = [PROGRAM, *arguments]
        listeners = {}
        for name in ("serial", "monitor"):
            listeners[name] = stack.enter_context(_listen(sockets / name))
            argv += ["-chardev", f"socket,id={name},path={option_value(sockets / name)}"]
        argv += ["-serial", "chardev:serial", "-mon", "chardev=monitor,mode=control"]
        started = time.monotonic()
        process = stack.enter_context(command.running(argv, on_bytes=complain, folder=folder, by_line=True))
        ends = {name: stack.enter_context(_accept(server, process, complaints)) for name, server in listeners.items()}
        result = Machine(ends["serial"], started, process, ends["monitor"], complaints)
        result.greet()
        yield result


@contextlib.contextmanager
def _socket_folder() -> Iterator[Path]:
    """A temporary folder with a short enough name."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(scratch_folder())
        if len(str(folder)) > _LONGEST_SOCKET_PATH - len("/monitor"):
            folder = stack.enter_context(scratch_folder(Path("/tmp")))
        yield folder


def _listen(path: Path) -> socket.socket:
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    server.bind(str(path))
    server.listen(1)
    return server


def _accept(server: socket.socket, process: command.Running, complaints: list[str]) -> socket.socket:
    server.settimeout(_PAUSE_SECONDS)
    deadline = time.monotonic() + _CONNECT_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(TimeoutError):
            return server.accept()[0]
        if not process.alive():
            time.sleep(_PAUSE_SECONDS)  # its last words may still be under way
            break
    raise VerifyError("QEMU did not start", details="\n".join(complaints), resolution="run: imagebuild doctor")
