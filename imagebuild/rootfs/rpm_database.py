"""The packages in an rpm database, read without rpm: the SQLite form, which rpm has by default since 4.16.

Fedora since 33, RHEL, CentOS and Oracle since 9. Older releases keep a Berkeley DB (Packages), SUSE its own form
(Packages.db): these are not read, and packages.json says so.
Source: rpm's lib/backend/sqlite.c (table Packages: hnum, blob), and formats/rpm.py for what is in a blob.
"""

from __future__ import annotations

import contextlib
import sqlite3

from imagebuild.formats.rpm import RpmError, read_record
from imagebuild.rootfs.packages import Package

SQLITE = ("usr/lib/sysimage/rpm/rpmdb.sqlite", "var/lib/rpm/rpmdb.sqlite")
OLDER = ("var/lib/rpm/Packages", "usr/lib/sysimage/rpm/Packages.db", "var/lib/rpm/Packages.db")
# Bytes 18 and 19 of an SQLite file say by which version of the format it is written and read; 2 stands for a log file
# beside it, which a database in memory cannot have (sqlite.org/fileformat2.html).
_VERSION_BYTES = slice(18, 20)
_KEYS = "gpg-pubkey"


def rpm_packages(database: bytes) -> tuple[tuple[Package, ...], str]:
    """The packages, sorted by name, and a note where the database cannot be read (then there are none)."""
    content = bytearray(database)
    content[_VERSION_BYTES] = b"\1\1"
    try:
        with contextlib.closing(sqlite3.connect(":memory:")) as connection:
            connection.deserialize(bytes(content))
            records = [bytes(row[0]) for row in connection.execute("SELECT blob FROM Packages")]
        found = [read_record(record) for record in records]
    except (sqlite3.Error, RpmError, TypeError) as error:
        return (), f"the tree's rpm database cannot be read: {error}"
    packages = []
    for facts in found:
        if facts.name != _KEYS:
            version = f"{facts.epoch}:" * bool(facts.epoch) + f"{facts.version}-{facts.release}"
            packages.append(Package(name=facts.name, version=version, architecture=facts.architecture, ecosystem="rpm"))
    return tuple(sorted(packages, key=lambda package: (package.name, package.architecture, package.version))), ""
