"""What each machine makes for itself, so that no image should hold it: the files, and why each has to go.

One list for those who take the files out of a tree and those who look for them in an image. Sources: machine-id(5)
(systemd takes D-Bus' file first: src/shared/machine-id-setup.c), sshd(8), cloud-init's docs/reference on
/var/lib/cloud, systemd-random-seed.service(8), dhclient.leases(5), apt.conf(5) (Dir::State, Dir::Cache), udev's
persistent-net rules of Debian 7 and RHEL 6.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from imagebuild.vocabulary import TraceName


@dataclass(frozen=True, slots=True)
class Trace:
    """`removed` and `emptied` are paths; `*` stands for any characters but `/`, `/**` at the end for every file below.

    `reason` says in a few words why it goes. Emptied files keep their owner and mode: what writes to them wants them.
    """

    name: TraceName | Literal["authorized-keys"]
    reason: str
    removed: tuple[str, ...] = ()
    emptied: tuple[str, ...] = ()


TRACES: tuple[Trace, ...] = (
    Trace(
        "machine-id", "each machine makes its own at its first boot; with a copy they are one machine to their network",
        removed=("/var/lib/dbus/machine-id",), emptied=("/etc/machine-id",),
    ),
    Trace(
        "ssh-host-keys", "who has the image could pose as every machine that is started from it",
        removed=("/etc/ssh/ssh_host_*_key", "/etc/ssh/ssh_host_*_key.pub"),
    ),
    Trace(
        "cloud-init",
        "cloud-init would take the new machine for one that it has set up already",
        removed=("/var/lib/cloud/instance", "/var/lib/cloud/instances/*", "/var/lib/cloud/data/*",
                 "/var/lib/cloud/sem/*"),
    ),
    Trace(
        "random-seed", "no two machines may begin with the same seed",
        removed=("/var/lib/systemd/random-seed", "/var/lib/urandom/random-seed", "/var/lib/random-seed",
                 "/var/lib/seedrng/*"),
    ),
    Trace(
        "dhcp-leases", "the new machine would ask for the old one's address",
        removed=("/var/lib/dhcp/*.leases", "/var/lib/dhcp/*.lease", "/var/lib/dhclient/*", "/var/lib/dhcpcd/*",
                 "/var/lib/dhcp3/*.leases", "/var/lib/NetworkManager/*.lease"),
    ),
    Trace(
        "network-names", "udev would keep eth0 for the old machine's network card",
        removed=("/etc/udev/rules.d/70-persistent-net.rules", "/etc/udev/rules.d/70-persistent-cd.rules"),
    ),
    Trace(
        "package-caches", "old lists and packages, which the first update fetches again",
        removed=("/var/lib/apt/lists/*_*", "/var/cache/apt/*.bin", "/var/cache/apt/archives/*.deb", "/var/cache/dnf/*",
                 "/var/cache/yum/*", "/var/cache/zypp/*"),
    ),
    Trace("logs", "they tell of another machine", removed=("/var/log/journal/*",), emptied=("/var/log/**",)),
    Trace(
        "shell-histories", "they may hold what somebody typed: passwords, too",
        removed=("/root/.*_history", "/home/*/.*_history"),
    ),
)  # fmt: skip
# What systemd writes itself before the first boot (machine-id(5)).
UNINITIALIZED = b"uninitialized"
# Not removed without a word of the recipe's: without them perhaps nobody can log in.
AUTHORIZED_KEYS = Trace(
    "authorized-keys", "whoever built the image could log in to every machine that is started from it",
    removed=("/root/.ssh/authorized_keys", "/root/.ssh/authorized_keys2", "/home/*/.ssh/authorized_keys",
             "/home/*/.ssh/authorized_keys2"),
)  # fmt: skip


def expand(pattern: str, names: Callable[[str], Iterable[str]]) -> Iterator[str]:
    """The paths that a pattern without `/**` may mean: `names` gives those in a folder. Without a `*` it is the path
    itself, whether it is there or not."""
    found = [""]
    for part in pattern.strip("/").split("/"):
        if "*" in part:
            found = [
                f"{folder}/{name}" for folder in found for name in fnmatch.filter(sorted(names(folder or "/")), part)
            ]
        else:
            found = [f"{folder}/{part}" for folder in found]
    yield from found
