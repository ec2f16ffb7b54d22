"""Tries the fence on this machine, for `doctor`: this machine's own shell runs behind it, with / as its tree.

Started in a namespace as `python -m imagebuild.host.fence.trial`; ends with 0, and NOBODY where the shell's root was
nobody outside.
"""

from __future__ import annotations

import sys
from pathlib import Path

from imagebuild.errors import HostError, ImagebuildError
from imagebuild.host import command, namespace
from imagebuild.host.fence import scope
from imagebuild.host.fence.door import PACKAGE, PROGRAM, run
from imagebuild.host.fence.request import Limits, Program

NOBODY = 10
_TIMEOUT_SECONDS = 60
# More memory than there is: what the machine itself has in /tmp is in the way of counting here.
_LIMITS = Limits(seconds=30, memory_bytes=2**40, processes=50)
# user_namespaces(7): the second number is the id that root has in the namespace of whoever reads it from outside.
_SCRIPT = "read -r inside outside count < /proc/self/uid_map; test $count = 65536 && exit 10; exit 0"


def try_fence() -> str:
    """What was seen. Raises HostError where no program can be run behind the fence."""
    command.require(PROGRAM, PACKAGE)
    argv = [*namespace.prefix(), sys.executable, "-m", "imagebuild.host.fence.trial"]
    finished = command.attempt(argv, timeout_seconds=_TIMEOUT_SECONDS)
    if finished.exit_code not in (0, NOBODY):
        raise HostError(
            "no program runs behind the fence for trees",
            details=finished.tail(3),
            resolution="permit mounts in namespaces: in a container, --security-opt seccomp=unconfined, "
            "apparmor=unconfined and systempaths=unconfined (docs/how-to/nightly.md)",
        )
    who = "nobody outside" if finished.exit_code == NOBODY else "this user outside, without privileges"
    sockets = "" if scope.possible() else "; with network it reaches abstract sockets (Linux before 6.12)"
    return f"bubblewrap ran a program whose root is {who}{sockets}"


def main() -> int:
    try:
        ended = run(Program(tree=Path("/"), argv=("sh", "-c", _SCRIPT), environment={}, limits=_LIMITS), _ignore)
    except ImagebuildError as error:
        sys.stderr.write(f"{error.brief}: {error.details}\n")
        return 1
    if ended.result.exit_code is None:
        sys.stderr.write(f"{ended.output}\nit {ended.how}\n")
        return 1
    return ended.result.exit_code


def _ignore(_line: str) -> None:
    """Nothing of it is shown."""


if __name__ == "__main__":
    raise SystemExit(main())
