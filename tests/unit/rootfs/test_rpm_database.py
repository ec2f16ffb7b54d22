"""The package list of a tree with an rpm database."""

from __future__ import annotations

import io
import sqlite3
from pathlib import Path

import pytest

from imagebuild.rootfs.facts import read_tree
from imagebuild.rootfs.rpm_database import RpmPackages, rpm_packages
from tests.unit.rootfs.family_trees import fedora, rhel_6, write_tar
from tests.unit.rootfs.package_files import TAGS, header


def database(folder: Path, *records: bytes) -> bytes:
    path = folder / "rpmdb.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode=WAL")  # as rpm has it
    connection.execute("CREATE TABLE Packages (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL)")
    connection.executemany("INSERT INTO Packages (blob) VALUES (?)", [(record,) for record in records])
    connection.commit()
    connection.close()
    return path.read_bytes()


def read(data: bytes) -> RpmPackages:
    return rpm_packages(io.BytesIO(data), len(data))


def record(name: str, epoch: int = 0) -> bytes:
    return header({**TAGS, 1000: name, 1003: epoch})[8:]


def test_names_versions_and_architectures(tmp_path: Path) -> None:
    data = database(tmp_path, record("zlib"), record("bash", epoch=2), record("gpg-pubkey"))
    packages, note = read(data)
    assert [(package.name, package.version, package.architecture) for package in packages] == [
        ("bash", "2:6.1-3.fc99", "x86_64"),
        ("zlib", "6.1-3.fc99", "x86_64"),
    ]
    assert note == ""
    assert {package.ecosystem for package in packages} == {"rpm"}


@pytest.mark.parametrize("data", [b"", b"no database", b"SQLite format 3\0" + bytes(200)])
def test_damage_is_a_note(data: bytes) -> None:
    packages, note = read(data)
    assert packages == ()
    assert "cannot be read" in note


def test_damaged_records_are_a_note(tmp_path: Path) -> None:
    assert "cannot be read" in read(database(tmp_path, b"\xff" * 40))[1]


def test_it_is_found_in_a_tree(tmp_path: Path) -> None:
    tree = fedora()
    tree.files["usr/lib/sysimage/rpm/rpmdb.sqlite"] = database(tmp_path, record("bash"))
    records = read_tree(write_tar(tmp_path / "rootfs.tar", tree.files), "0" * 64)[1]
    assert records.rpm_packages is not None
    assert records.rpm_packages[0][0].name == "bash"


def test_an_older_one_is_named(tmp_path: Path) -> None:
    tree = rhel_6()
    tree.files["var/lib/rpm/Packages"] = b"\0"
    records = read_tree(write_tar(tmp_path / "rootfs.tar", tree.files), "0" * 64)[1]
    assert records.older_rpm_database == "/var/lib/rpm/Packages"
