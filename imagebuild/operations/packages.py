"""The distribution's packages that this machine needs: as one command, and run."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from imagebuild.errors import HostError
from imagebuild.host import command
from imagebuild.host.namespace import is_root
from imagebuild.host.packages import chosen, install_argv, list_for, this_release


def packages_here() -> tuple[list[str], str]:
    """The command, and a note (empty: none). Raises HostError where the distribution has no such packages."""
    found = list_for(this_release())
    return install_argv(chosen(found.packages), root=is_root()), found.note


def install_packages(argv: Sequence[str]) -> None:
    """Run `apt-get update`, then that, on the user's terminal; apt asks before it begins, where somebody is there to
    answer. Raises HostError when one fails."""
    command.require(argv[0], argv[0])
    update = [*argv[: argv.index("apt-get") + 1], "update"]
    for each in (update, argv if sys.stdin.isatty() else [*argv, "--yes"]):
        if command.foreground(each) != 0:
            raise HostError("the packages could not be installed", resolution="see apt's words above, and run it again")
