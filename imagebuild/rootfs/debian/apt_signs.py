"""What apt and mmdebstrap say when an archive is of no use, and what a user can do about it.

The words are apt 2.6's and 3.0's (apt-pkg/acquire-item.cc, methods/gpgv.cc); tests let apt say most of them.
"""

from __future__ import annotations

import re

_NETWORK = "check the network, or rootfs.debian.mirror"
_NAMES = "check the names in rootfs.debian.packages, and rootfs.debian.components"
_SIGNS: tuple[tuple[str, str, str], ...] = (
    (
        r"is expired \(invalid since",
        "the mirror's Release file has expired: the mirror is no longer updated, or this machine's clock is wrong",
        "use another mirror (rootfs.debian.mirror), or check the clock; for an archived release name its snapshot, "
        "such as https://snapshot.debian.org/archive/debian/20251122T080905Z",
    ),
    (
        r"is not valid yet",
        "the mirror's Release file is from the future: this machine's clock is behind",
        "set this machine's clock",
    ),
    (
        r"NO_PUBKEY|Missing key|is not signed",
        "the mirror is not signed with a key that this machine trusts",
        "for a Debian mirror install the Debian package debian-archive-keyring; for an archive of your own put its key "
        "into /etc/apt/trusted.gpg.d/",
    ),
    (
        r"Mirror sync in progress|Hash Sum mismatch|File has unexpected size|Unable to fetch some archives",
        "the mirror is out of date or being updated: its files are not those that its index names",
        "try again in some minutes, or use another mirror (rootfs.debian.mirror)",
    ),
    (r"Could not resolve", "the mirror's name cannot be resolved", _NETWORK),
    (r"Could not connect", "the mirror cannot be reached", _NETWORK),
    (r"Connection timed out", "the mirror does not answer", _NETWORK),
    (
        r"does not have a Release file",
        "the mirror does not have this suite",
        "check rootfs.debian.suite (a code name such as bookworm) and rootfs.debian.mirror",
    ),
    (r"Unable to locate package", "a package does not exist in this suite", _NAMES),
    (r"has no installation candidate", "a package cannot be installed from this suite", _NAMES),
    (
        r"No space left on device",
        "there is no space left",
        "free some space, or use other directories with TMPDIR and IMAGEBUILD_CACHE",
    ),
)
# Long-term releases since 14.04, and all from 24.10 on.
_UBUNTU = frozenset(
    ("trusty", "xenial", "bionic", "focal", "jammy", "noble", "oracular", "plucky", "questing", "resolute")
)


def explained(output: str, suite: str, mirror: str | None) -> tuple[str, str] | None:
    """What is wrong and what to do, by the words of apt; None where they are not known."""
    for pattern, what, cure in _SIGNS:
        if re.search(pattern, output):
            about_archive = pattern.startswith(("NO_PUBKEY", "does not have a Release"))
            return _of_ubuntu(suite) if about_archive and _is_ubuntu(suite, mirror) else (what, cure)
    return None


def _is_ubuntu(suite: str, mirror: str | None) -> bool:
    return suite in _UBUNTU or "ubuntu" in (mirror or "").lower()


def _of_ubuntu(suite: str) -> tuple[str, str]:
    return (
        f"{suite} is a suite of Ubuntu, which has an archive and keys of its own",
        "set rootfs.debian.mirror: http://archive.ubuntu.com/ubuntu and install the Debian package ubuntu-keyring; or "
        "make the tree elsewhere and use it with rootfs.tar",
    )
