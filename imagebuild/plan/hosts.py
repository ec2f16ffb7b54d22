"""/etc/hosts with localhost and the host's own name, which no package brings (hosts(5))."""

from __future__ import annotations

_LOCALHOST = "127.0.0.1\tlocalhost"
_LOCALHOST_6 = "::1\tlocalhost ip6-localhost ip6-loopback"
# The Debian reference's address for a name that has no other one (chapter 5, "The hostname resolution").
_OWN = "127.0.1.1"


def completed_hosts(existing: str | None, hostname: str | None) -> str | None:
    """The text of /etc/hosts with what it lacks; None when it lacks nothing. `existing` None: there is no such file."""
    lines = (existing or "").splitlines()
    known = {name.lower() for line in lines for name in line.partition("#")[0].split()[1:]}
    missing = []
    if "localhost" not in known:
        missing += [_LOCALHOST, _LOCALHOST_6]
    if hostname and hostname.lower() not in known:
        names = [hostname] if "." not in hostname else [hostname, hostname.partition(".")[0]]
        missing.append(f"{_OWN}\t{' '.join(names)}")
    return "\n".join([*lines, *missing]) + "\n" if missing else None
