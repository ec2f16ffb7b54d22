"""The one door to other programs (`sh`).

Every process gets a clean environment, its own session, and dies with us: `setpriv --pdeathsig KILL`
makes the kernel end it even when imagebuild itself is killed by SIGKILL and can clean up nothing
(prctl(2), PR_SET_PDEATHSIG). Arguments are positional strings only: no shell, no quoting.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sh

from imagebuild.errors import BuildError, HostError
from imagebuild.host import no_sync
from imagebuild.limits import ENVIRONMENT_VARIABLE

# What a child may know of our environment: where programs and homes are, and how the network is reached.
_ALLOWED = (
    "HOME", "PATH", "TMPDIR", "USER", "LOGNAME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR", "SOURCE_DATE_EPOCH",
    "http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE",
    "SSL_CERT_DIR", ENVIRONMENT_VARIABLE, "LIBGUESTFS_PATH", "LIBGUESTFS_DEBUG", "LIBGUESTFS_TRACE",
)  # fmt: skip
# Debian keeps administrators' programs (mkfs, sfdisk, e2fsck) out of an ordinary user's PATH.
_SBIN = ("/usr/local/sbin", "/usr/sbin", "/sbin")
_TAIL_LINES = 25

Sink = Callable[[str], None]


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment that every child gets: an allow-list, a fixed locale, and PATH with the sbin directories."""
    environment = {key: os.environ[key] for key in _ALLOWED if key in os.environ}
    folders = environment.get("PATH", "/usr/bin:/bin").split(":")
    environment["PATH"] = ":".join([*folders, *(folder for folder in _SBIN if folder not in folders)])
    environment["LANG"] = environment["LC_ALL"] = "C.UTF-8"
    return environment | dict(extra or {})


def find(program: str) -> Path | None:
    """The program's path as a child would find it, or None."""
    found = shutil.which(program, path=clean_environment()["PATH"])
    return Path(found) if found else None


def require(program: str, package: str) -> Path:
    """The program's path. Raises HostError that names the Debian package to install."""
    path = find(program)
    if path is None:
        raise HostError(
            f"{program} is not installed",
            resolution=f"install the Debian package {package} (or run: make setup)",
        )
    return path


@dataclass(frozen=True, slots=True)
class Finished:
    """A process that has ended. `output` is stdout (and stderr, where it was merged)."""

    argv: tuple[str, ...]
    exit_code: int
    output: str

    def tail(self, lines: int = _TAIL_LINES) -> str:
        return "\n".join(self.output.rstrip().splitlines()[-lines:])


class Running:
    """A process under way."""

    def __init__(self, argv: Sequence[str], process: Any) -> None:
        self.argv = tuple(argv)
        self._process = process

    @property
    def pid(self) -> int:
        return int(self._process.pid)

    def alive(self) -> bool:
        return bool(self._process.is_alive())

    def wait(self) -> int:
        """Wait for the end and return the exit code (negative: ended by that signal)."""
        with contextlib.suppress(sh.ErrorReturnCode):
            self._process.wait()
        return int(self._process.exit_code)

    def kill(self) -> None:
        """End the process and everything in its session's group; safe to call twice."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        with contextlib.suppress(Exception):
            self.wait()


def start(
    argv: Sequence[str],
    *,
    on_bytes: Callable[[bytes], None] | None = None,
    stdin: str | bytes | None = None,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    by_line: bool = False,
    chunk_bytes: int = 0,
    without_sync: bool = False,
    descriptors: Sequence[int] = (),
) -> Running:
    """Start a process; its stdout and stderr go, merged, to `on_bytes` byte by byte as they come.

    A console needs that (its prompt has no line's end); `by_line` is faster for programs that only print, and
    `chunk_bytes` (about so many at once) is meant for megabytes of output. `without_sync`: see no_sync.py; for programs
    that only read, some of which end with an fsync (debugfs waits for what others have written). `descriptors`: open
    files of ours that the process gets, under the same numbers; they must be inheritable.

    `on_bytes` is called on a thread of sh's. The caller must end the process (`Running.kill`), best through
    `running()`. Raises HostError when there is no such program.
    """
    if find(argv[0]) is None:
        raise HostError(f"{argv[0]} is not installed", resolution="run: imagebuild doctor")
    wrapped = ["setpriv", "--pdeathsig", "KILL", "--", *argv]

    def forward(chunk: bytes | str) -> None:
        if on_bytes is not None:
            on_bytes(chunk if isinstance(chunk, bytes) else chunk.encode("utf-8", "surrogateescape"))

    process = sh.Command(str(require(wrapped[0], "util-linux")))(
        *wrapped[1:],
        _bg=True,
        _bg_exc=False,
        _tty_out=False,
        _truncate_exc=False,
        _encoding="utf-8",
        _decode_errors="surrogateescape",
        _new_session=True,
        _no_out=True,
        _out=forward,
        _out_bufsize=chunk_bytes or (1 if by_line else 0),
        _err_to_out=True,
        _in=stdin if stdin is not None else b"",
        _env=clean_environment(environment),
        _cwd=str(folder) if folder else None,
        _preexec_fn=_leave_out_syncs if without_sync else None,
        _pass_fds=set(descriptors),
    )
    return Running(argv, process)


def _leave_out_syncs() -> None:
    no_sync.leave_out_syncs()


def foreground(argv: Sequence[str], *, environment: Mapping[str, str] | None = None) -> int:
    """Run a program on our own terminal, with its keyboard; returns its exit code (negative: ended by that signal).

    Ctrl-C is the program's own meanwhile. Raises HostError when there is no such program.
    """
    path = find(argv[0])
    if path is None:
        raise HostError(f"{argv[0]} is not installed", resolution="run: imagebuild doctor")
    # only the terminal's description is more than every other program gets
    term = {"TERM": os.environ["TERM"]} if "TERM" in os.environ else {}
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        sh.Command(str(path))(*argv[1:], _fg=True, _env=clean_environment({**term, **(environment or {})}))
    except sh.ErrorReturnCode as error:
        return int(error.exit_code)
    finally:
        signal.signal(signal.SIGINT, before)
    return 0


@contextlib.contextmanager
def running(
    argv: Sequence[str],
    *,
    on_bytes: Callable[[bytes], None] | None = None,
    stdin: str | bytes | None = None,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    by_line: bool = False,
    chunk_bytes: int = 0,
    without_sync: bool = False,
    descriptors: Sequence[int] = (),
) -> Iterator[Running]:
    """A background process that does not outlive the block, whatever ends the block."""
    process = start(
        argv,
        on_bytes=on_bytes,
        stdin=stdin,
        environment=environment,
        folder=folder,
        by_line=by_line,
        chunk_bytes=chunk_bytes,
        without_sync=without_sync,
        descriptors=descriptors,
    )
    try:
        yield process
    finally:
        process.kill()


def attempt(
    argv: Sequence[str],
    *,
    stdin: str | bytes | None = None,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    timeout_seconds: float | None = None,
    log: Sink | None = None,
    descriptors: Sequence[int] = (),
) -> Finished:
    """Run a program to its end and return how it ended, whatever its exit code.

    `log` is given the command and then each line of its output as it comes. After `timeout_seconds` the program
    is killed and the exit code is -9. Raises HostError when there is no such program.
    """
    output = bytearray()
    if log is not None:
        log("$ " + " ".join(argv))
    pending = bytearray()

    def collect(chunk: bytes) -> None:
        output.extend(chunk)
        if log is not None:
            pending.extend(chunk)
            *lines, rest = bytes(pending).split(b"\n")
            pending[:] = rest
            for line in lines:
                log(line.decode("utf-8", "replace").rstrip("\r"))

    with running(
        argv, on_bytes=collect, stdin=stdin, environment=environment, folder=folder, by_line=True,
        descriptors=descriptors,
    ) as process:  # fmt: skip
        timer = threading.Timer(timeout_seconds, process.kill) if timeout_seconds else None
        if timer:
            timer.start()
        try:
            exit_code = process.wait()
        finally:
            if timer:
                timer.cancel()
    if log is not None and pending:
        log(bytes(pending).decode("utf-8", "replace"))
    return Finished(tuple(argv), exit_code, output.decode("utf-8", "replace"))


def run(
    argv: Sequence[str],
    *,
    doing: str,
    resolution: str = "",
    stdin: str | bytes | None = None,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    timeout_seconds: float | None = None,
    log: Sink | None = None,
) -> str:
    """Run a program that must succeed and return its output (stdout and stderr merged).

    Raises BuildError "<doing> failed", with the last lines of the output, on any other exit code than 0.
    """
    finished = attempt(
        argv, stdin=stdin, environment=environment, folder=folder, timeout_seconds=timeout_seconds, log=log
    )
    if finished.exit_code != 0:
        raise BuildError(
            f"{doing} failed ({argv[0]} ended with {finished.exit_code})",
            details=finished.tail(),
            resolution=resolution,
        )
    return finished.output
