"""No abstract Unix sockets and no signals out of the fence, also where a script has this machine's network.

Abstract sockets belong to a network namespace (unix(7)): a program that shares this machine's network finds those of
this machine's services. Landlock keeps it from them since Linux 6.12; before, only the missing network does.
"""

from __future__ import annotations

from imagebuild.host.fence import kernel


def possible() -> bool:
    return kernel.landlock_version() >= kernel.SCOPES_SINCE


def close() -> None:
    """For this process and what it starts. It takes away the way to more privileges, too."""
    kernel.no_new_privileges()
    if possible():
        kernel.scope_sockets_and_signals()
