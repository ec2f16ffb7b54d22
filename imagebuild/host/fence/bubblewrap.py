"""bubblewrap's argv (bwrap(1)): the tree as the root, without the old one, and what a program finds in it.

It makes the mounts, pivots into them and detaches the old root, drops the capabilities and sets no_new_privs; process 1
inside is its own.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from imagebuild.host.fence.request import SCRIPTS, Program

# What installing packages and making initrds needs: owners, modes, other users, file capabilities of the tree's own.
CAPABILITIES = (
    "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_NET_BIND_SERVICE", "CAP_SETFCAP",
    "CAP_SETGID", "CAP_SETUID",
)  # fmt: skip
# Of /proc, as the containers' runtimes have it (OCI, maskedPaths and readonlyPaths).
MASKED = (
    "acpi", "asound", "fs", "interrupts", "kallsyms", "kcore", "keys", "key-users", "kmsg", "latency_stats",
    "sched_debug", "scsi", "sysrq-trigger", "timer_list", "timer_stats",
)  # fmt: skip
READ_ONLY = ("bus", "irq", "sys")
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root", "USER": "root", "LOGNAME": "root", "SHELL": "/bin/sh", "TERM": "dumb",
    "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive",
}  # fmt: skip
_PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


def options(program: Program, root: Path, *, calls: int, status: int, script: int | None) -> list[str]:
    """All options. `root`: where the tree is seen now; `calls`, `status`, `script`: open descriptors."""
    return [
        "--bind", str(root), "/",
        "--proc", "/proc", *_masks(),
        "--dev", "/dev",
        *_in_memory("run", "0755", program), *_in_memory("tmp", "1777", program),
        *_script(program, script),
        "--unshare-pid", "--unshare-uts", "--hostname", program.hostname, "--unshare-cgroup-try",
        *([] if program.network else ["--unshare-net"]),
        "--new-session", "--die-with-parent",
        "--cap-drop", "ALL", *(word for name in CAPABILITIES for word in ("--cap-add", name)),
        "--seccomp", str(calls), "--json-status-fd", str(status),
        "--chdir", "/", "--clearenv", *_environment(program),
    ]  # fmt: skip


def _masks(proc: Path = Path("/proc")) -> Iterator[str]:
    for path in (proc / name for name in MASKED):
        if path.is_dir():
            yield from ("--tmpfs", str(path), "--remount-ro", str(path))
        elif path.exists():
            yield from ("--ro-bind", "/dev/null", str(path))
    for path in (proc / name for name in READ_ONLY):
        if path.exists():
            yield from ("--ro-bind", str(path), str(path))


def _in_memory(name: str, mode: str, program: Program) -> Iterator[str]:
    yield from ("--perms", mode, "--size", str(program.limits.memory_bytes), "--tmpfs", f"/{name}")


def _script(program: Program, descriptor: int | None) -> Iterator[str]:
    if program.script is not None and descriptor is not None:
        yield from ("--perms", "0755", "--file", str(descriptor), f"{SCRIPTS}/{program.script.name}")


def _environment(program: Program) -> Iterator[str]:
    proxies = {name: os.environ[name] for name in _PROXIES if program.network and name in os.environ}
    for name, value in {**ENVIRONMENT, **proxies, **program.environment}.items():
        yield from ("--setenv", name, value)
