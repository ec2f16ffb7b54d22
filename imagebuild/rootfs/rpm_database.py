"""The packages in an rpm database, read without rpm: the SQLite form, which rpm has by default since 4.16.

Fedora since 33, RHEL, CentOS and Oracle since 9. Older releases keep a Berkeley DB (Packages), SUSE its own form
(Packages.db): these are not read, and packages.json says so.
Source: rpm's lib/backend/sqlite.c (table Packages: hnum, blob), and formats/rpm.py for what is in a blob.
"""

from __future__ import annotations

import contextlib
import itertools
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from imagebuild.formats.rpm import RpmError, read_record
from imagebuild.host.scratch import scratch_folder
from imagebuild.limits import RPM_DATABASE, RPM_RECORDS
from imagebuild.rootfs.packages import Package

SQLITE = ("usr/lib/sysimage/rpm/rpmdb.sqlite", "var/lib/rpm/rpmdb.sqlite")
OLDER = ("var/lib/rpm/Packages", "usr/lib/sysimage/rpm/Packages.db", "var/lib/rpm/Packages.db")
# Bytes 18 and 19 of an SQLite file say by which version of the format it is written and read; 2 stands for a log file
# beside it, which a database in memory cannot have (sqlite.org/fileformat2.html).
_VERSION_BYTES = slice(18, 20)
_KEYS = "gpg-pubkey"
_MAGIC = b"SQLite format 3\0"
_PIECE_BYTES = 2**20
_MOST_RECORD_BYTES = 64 * 2**20
_MOST_HEAP_BYTES = 256 * 2**20
# Of SQLite's machine: a database of 5,000 packages takes some 100,000.
_STEP, _MOST_STEPS = 10_000, 20_000

RpmPackages = tuple[tuple[Package, ...], str]


def rpm_packages(database: IO[bytes], size_bytes: int) -> RpmPackages:
    """The packages, sorted by name, and a note where the database cannot be read (then there are none).

    It lies in a file meanwhile, and a hostile one gets neither memory nor time (limits.py).
    """
    start = database.read(len(_MAGIC))
    if start != _MAGIC:
        return (), "the tree's rpm database cannot be read: it is no SQLite file"
    if size_bytes > RPM_DATABASE.most:
        return (), f"the tree's rpm database has {size_bytes} bytes: {RPM_DATABASE.exceeded}"
    try:
        with scratch_folder() as scratch:
            path = scratch / "rpmdb.sqlite"
            with path.open("w+b") as file:
                file.write(start)
                shutil.copyfileobj(database, file, _PIECE_BYTES)
                file.seek(_VERSION_BYTES.start)
                file.write(b"\1\1")
            found = [read_record(record) for record in _records(path)]
    except (sqlite3.Error, RpmError, TypeError, OverflowError, MemoryError) as error:
        return (), f"the tree's rpm database cannot be read: {error}"
    packages = []
    for facts in found:
        if facts.name != _KEYS:
            version = f"{facts.epoch}:" * bool(facts.epoch) + f"{facts.version}-{facts.release}"
            packages.append(Package(name=facts.name, version=version, architecture=facts.architecture, ecosystem="rpm"))
    return tuple(sorted(packages, key=lambda package: (package.name, package.architecture, package.version))), ""


def _records(path: Path) -> Iterator[bytes]:
    """The records of the table Packages, and of no view that pretends to be it."""
    steps = itertools.count()
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)) as connection:
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MOST_RECORD_BYTES)
        connection.set_progress_handler(lambda: next(steps) > _MOST_STEPS, _STEP)
        connection.execute("PRAGMA trusted_schema=OFF")
        connection.execute(f"PRAGMA hard_heap_limit={_MOST_HEAP_BYTES}")
        kinds = connection.execute("SELECT type FROM sqlite_schema WHERE name = 'Packages'").fetchall()
        if kinds != [("table",)]:
            raise sqlite3.DatabaseError("it has no table of packages")
        for number, row in enumerate(connection.execute("SELECT blob FROM Packages")):
            if number >= RPM_RECORDS.most:
                raise sqlite3.DatabaseError(f"it holds more than that: {RPM_RECORDS.exceeded}")
            yield bytes(row[0])
