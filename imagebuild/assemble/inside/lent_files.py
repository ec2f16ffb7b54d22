"""What a tree is lent while a script runs in it: name servers, and the word to Debian's packages to start no service.

They are files of the tree meanwhile, not mounts over it: a package's script may replace them, and what it puts there
stays. All of it is done after chroot(2), before the script is started and after it has ended.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from imagebuild.assemble.inside.in_tree import in_tree

_RESOLV_CONF = Path("/etc/resolv.conf")
_KEPT_RESOLV_CONF = Path("/etc/.resolv.conf.imagebuild")
# Debian's policy for packages' services (invoke-rc.d(8)): 101 is "not allowed".
_POLICY = Path("/usr/sbin/policy-rc.d")
_POLICY_TEXT = "#!/bin/sh\n# imagebuild: no service is started in a tree\nexit 101\n"


@contextlib.contextmanager
def lent(tree: Path, *, network: bool) -> Iterator[None]:
    """Raises BuildError. What a script that failed leaves does not matter: its tree is thrown away."""
    servers = _RESOLV_CONF.read_bytes() if network and _RESOLV_CONF.is_file() else None
    in_tree(tree, "lending files to a script", partial(_lend, servers))
    yield
    in_tree(tree, "taking back what a script was lent", partial(_take_back, servers))


def _lend(servers: bytes | None) -> None:
    if Path("/usr/sbin/invoke-rc.d").exists() and not os.path.lexists(_POLICY):
        _POLICY.write_text(_POLICY_TEXT)
        _POLICY.chmod(0o755)
    if servers is not None:
        if os.path.lexists(_RESOLV_CONF):
            _RESOLV_CONF.rename(_KEPT_RESOLV_CONF)
        _RESOLV_CONF.write_bytes(servers)


def _take_back(servers: bytes | None) -> None:
    """The tree's own resolv.conf comes back unless the script has written another."""
    if _is_still(_POLICY, _POLICY_TEXT.encode()):
        _POLICY.unlink()
    if servers is None:
        return
    unchanged = _is_still(_RESOLV_CONF, servers)
    if unchanged:
        _RESOLV_CONF.unlink()
    if not os.path.lexists(_KEPT_RESOLV_CONF):
        return
    if unchanged:
        _KEPT_RESOLV_CONF.rename(_RESOLV_CONF)
    else:
        _KEPT_RESOLV_CONF.unlink()


def _is_still(path: Path, content: bytes) -> bool:
    """Whether the file has the content that it was given. A script may have left anything there, of any size."""
    if path.is_symlink() or not path.is_file() or path.stat().st_size != len(content):
        return False
    return path.read_bytes() == content
