"""Process 1 of a script's own namespaces: furnishes the tree, runs the script in it, and clears up.

Started by scripts.py as `unshare … python -m imagebuild.assemble.inside.script_sandbox`, with a Sandbox as JSON on
standard input; ends with the script's exit code (128 and the signal's number, if one ended it). Mounts are in a
namespace of their own: they end with us. In the tree itself /proc, /dev, /run and /tmp stay as they are,
and what is lent for the time of the script (name servers, the word to Debian's packages to start no service) is taken
away again.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from imagebuild.assemble.inside.initrd_tools import DEVICES, real_directory
from imagebuild.errors import BuildError

_MS_NOSUID, _MS_BIND = 2, 4096  # mount(2)
_PR_CAPBSET_DROP = 24  # prctl(2)
# capability.h: CAP_SYS_MODULE, CAP_SYS_RAWIO, CAP_SYS_BOOT, CAP_SYS_TIME: the machine's own, which no image needs.
_DROPPED = (16, 17, 22, 25)
_OURS = Path("/run/imagebuild")
_RESOLV_CONF = Path("/etc/resolv.conf")
_KEPT_RESOLV_CONF = Path("/etc/.resolv.conf.imagebuild")
# Debian's policy for packages' services (invoke-rc.d(8)): 101 is "not allowed".
_POLICY = Path("/usr/sbin/policy-rc.d")
_POLICY_TEXT = "#!/bin/sh\n# imagebuild: no service is started in a tree\nexit 101\n"
_PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root", "USER": "root", "LOGNAME": "root", "SHELL": "/bin/sh", "TERM": "dumb",
    "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive",
}  # fmt: skip
NOT_FURNISHED = 125
_NOT_RUN = 126


class Sandbox(BaseModel):
    """What to run, and where. Paths are those of the machine."""

    model_config = ConfigDict(frozen=True)

    tree: Path
    script: Path
    arguments: tuple[str, ...]
    environment: dict[str, str]
    hostname: str
    network: bool


def main() -> int:
    sandbox = Sandbox.model_validate_json(sys.stdin.read())
    os.umask(0o022)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        servers = _RESOLV_CONF.read_bytes() if sandbox.network and _RESOLV_CONF.is_file() else None
        script = _furnish(libc, sandbox)
        os.chroot(sandbox.tree)
        os.chdir("/")
        with _no_services(), _name_servers(servers):
            return _run([str(script), *sandbox.arguments], _environment(sandbox), libc)
    except (OSError, BuildError) as error:
        print(f"preparing the tree for a script failed: {error}", flush=True)
        return NOT_FURNISHED


def _furnish(libc: ctypes.CDLL, sandbox: Sandbox) -> Path:
    """Mount what a program expects, and put the script there. Returns its path in the tree."""
    socket.sethostname(sandbox.hostname)
    directories = {name: real_directory(sandbox.tree, name) for name in ("proc", "dev", "run", "tmp")}
    _mount(libc, "proc", directories["proc"], "proc")
    _mount(libc, "dev", directories["dev"], "tmpfs", data="mode=755")
    for name in DEVICES:
        (directories["dev"] / name).touch()
        _mount(libc, f"/dev/{name}", directories["dev"] / name, "", flags=_MS_BIND)
    for name, target in (("fd", "fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")):
        (directories["dev"] / name).symlink_to(f"/proc/self/{target}")
    (directories["dev"] / "pts").mkdir()
    _mount(libc, "devpts", directories["dev"] / "pts", "devpts", data="newinstance,ptmxmode=0666,mode=620")
    (directories["dev"] / "ptmx").symlink_to("pts/ptmx")  # apt runs dpkg on a terminal of its own
    _mount(libc, "run", directories["run"], "tmpfs", flags=_MS_NOSUID, data="mode=755")
    _mount(libc, "tmp", directories["tmp"], "tmpfs", flags=_MS_NOSUID, data="mode=1777")
    content = sandbox.script.read_bytes()
    path = _OURS / sandbox.script.name
    inside = sandbox.tree / str(path).lstrip("/")
    inside.parent.mkdir()
    inside.write_bytes(content)
    inside.chmod(0o755)
    return path


def _mount(libc: ctypes.CDLL, source: str, target: Path, kind: str, *, flags: int = 0, data: str = "") -> None:
    arguments = (
        source.encode(),
        os.fsencode(target),
        kind.encode() or None,
        ctypes.c_ulong(flags),
        data.encode() or None,
    )
    if libc.mount(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"mounting {kind or source} failed: {os.strerror(number)}", str(target))


def _environment(sandbox: Sandbox) -> dict[str, str]:
    proxies = {name: os.environ[name] for name in _PROXIES if sandbox.network and name in os.environ}
    return {**_ENVIRONMENT, **proxies, **sandbox.environment}


@contextlib.contextmanager
def _no_services() -> Iterator[None]:
    lent = Path("/usr/sbin/invoke-rc.d").exists() and not os.path.lexists(_POLICY)
    if lent:
        _POLICY.write_text(_POLICY_TEXT)
        _POLICY.chmod(0o755)
    yield
    if lent and _POLICY.is_file() and _POLICY.read_text() == _POLICY_TEXT:
        _POLICY.unlink()


@contextlib.contextmanager
def _name_servers(content: bytes | None) -> Iterator[None]:
    """Lend this machine's resolv.conf; the tree's own comes back unless the script has written another."""
    if content is None:
        yield
        return
    had = os.path.lexists(_RESOLV_CONF)
    if had:
        _RESOLV_CONF.rename(_KEPT_RESOLV_CONF)
    _RESOLV_CONF.write_bytes(content)
    yield
    lent = not _RESOLV_CONF.is_symlink() and _RESOLV_CONF.is_file() and _RESOLV_CONF.read_bytes() == content
    if lent:
        _RESOLV_CONF.unlink()
    if had and lent:
        _KEPT_RESOLV_CONF.rename(_RESOLV_CONF)
    elif had:
        _KEPT_RESOLV_CONF.unlink()


def _run(argv: list[str], environment: dict[str, str], libc: ctypes.CDLL) -> int:
    """Run it as process 2, and then end everything that it has left running."""
    sys.stdout.flush()
    script = os.fork()
    if script == 0:
        _become(argv, environment, libc)
    while True:
        process, status = os.waitpid(-1, 0)  # whoever is left behind by its parent becomes our child
        if process == script:
            break
    with contextlib.suppress(ProcessLookupError):
        os.kill(-1, signal.SIGKILL)  # everybody but process 1 (kill(2))
    with contextlib.suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _become(argv: list[str], environment: dict[str, str], libc: ctypes.CDLL) -> None:
    """Never returns."""
    try:
        for capability in _DROPPED:
            libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
        os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
        os.execve(argv[0], argv, environment)
    except FileNotFoundError:
        first = Path(argv[0]).read_bytes().split(b"\n")[0].decode("utf-8", "replace")
        print(f"the tree has no program {first.removeprefix('#!').strip()}, which the script's first line names")
    except BaseException as error:
        print(f"the script cannot be run: {error}")
    sys.stdout.flush()
    os._exit(_NOT_RUN)


if __name__ == "__main__":
    raise SystemExit(main())
