"""What gets into the Xen test host: packages' files, and never the machine's own."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from imagebuild.errors import VerifyError
from imagebuild.testhost import definition
from imagebuild.testhost.origin import (
    Origin,
    keep_links_inside,
    libraries,
    read_origin,
    remove_dangling_links,
)
from imagebuild.testhost.stand_in import memdisk, module_needs

LOADER = "lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """An unpacked package with a loader and a library, as the hook KEEP_RECORDS leaves it."""
    root = tmp_path / "tools"
    contents = {LOADER: b"loader of the tree", "lib/x86_64-linux-gnu/libc.so.6": b"library"}
    for name, content in contents.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    records = root / "var/lib/dpkg/unpacked"
    records.mkdir(parents=True)
    lines = [f"{hashlib.md5(content).hexdigest()}  {name}\n" for name, content in contents.items()]
    (records / "libc6_2.36-9+deb12u13.md5sums").write_text("".join(lines))
    return root


def test_what_packages_say(tree: Path) -> None:
    origin = read_origin(tree)
    assert origin.versions == {"libc6": "2.36-9+deb12u13"}
    assert origin.read(tree / LOADER) == b"loader of the tree"


def test_the_loader_that_a_program_names_by_an_absolute_path_is_the_trees_own(tree: Path) -> None:
    """The lines as Debian 12's and 13's ld.so print them: the loader's path is the machine's."""
    listing = (
        "\tlinux-vdso.so.1 (0x00007ffd1b5f2000)\n"
        f"\tlibc.so.6 => {tree}/lib/x86_64-linux-gnu/libc.so.6 (0x00007f2c5a7e8000)\n"
        f"\t/lib64/ld-linux-x86-64.so.2 => {tree}/{LOADER} (0x00007f2c5a9d6000)\n"
        "\t/lib64/ld-linux-x86-64.so.2 (0x00007f2c5a9d6000)\n"
    )
    found = libraries(listing, tree / LOADER)
    assert found == [tree / "lib/x86_64-linux-gnu/libc.so.6", tree / LOADER, tree / LOADER]
    assert {read_origin(tree).read(path) for path in found} == {b"library", b"loader of the tree"}


@pytest.mark.parametrize("sabotage", ["the machine's file", "a link to the machine's file", "changed", "of no package"])
def test_a_file_that_is_no_packages_is_refused(tree: Path, tmp_path: Path, sabotage: str) -> None:
    own = tmp_path / "machine" / "ld-linux-x86-64.so.2"
    own.parent.mkdir()
    own.write_bytes(b"loader of the tree")  # even with the right content: it is not the tree's
    origin, library = read_origin(tree), tree / "lib/x86_64-linux-gnu/libc.so.6"
    match sabotage:
        case "the machine's file":
            library = own
        case "a link to the machine's file":
            library.unlink()
            library.symlink_to(own)
        case "changed":
            library.write_bytes(b"another library")
        case _:
            library = library.with_name("libnew.so")
            library.write_bytes(b"new")
    with pytest.raises(VerifyError, match=r"of this machine|not as a Debian package has it"):
        origin.read(library)


def test_everything_in_the_tree_is_looked_at(tree: Path) -> None:
    origin = read_origin(tree)
    for path in sorted((tree / "var").rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    (tree / "var").rmdir()
    origin.check_all()
    (tree / "lib/resolv.conf").write_text("nameserver 192.0.2.1\n")
    with pytest.raises(VerifyError, match=r"/lib/resolv\.conf"):
        origin.check_all()


def test_links_lead_to_the_tree_and_not_to_the_machine(tree: Path) -> None:
    (tree / "lib64").mkdir()
    link = tree / "lib64/ld-linux-x86-64.so.2"
    link.symlink_to(f"/{LOADER}")
    gone = tree / "lib64/sitecustomize.py"
    gone.symlink_to("/etc/hostname")
    (tree / "lib64/twice").symlink_to("sitecustomize.py")
    keep_links_inside(tree)
    remove_dangling_links(tree)
    assert link.resolve() == (tree / LOADER).resolve()
    assert [path.name for path in (tree / "lib64").iterdir()] == [link.name]


def test_packages_come_from_named_pockets_whatever_the_machine_has() -> None:
    lines = definition.archive_lines({f"{definition.SUITE}-security": "http://mirror.example/security"})
    assert lines == [
        f"deb http://deb.debian.org/debian {definition.SUITE} main",
        f"deb http://deb.debian.org/debian {definition.SUITE}-updates main",
        f"deb http://mirror.example/security {definition.SUITE}-security main",
    ]


def test_the_stand_ins_modules_in_one_order_and_of_no_moment(tmp_path: Path) -> None:
    (tmp_path / "moddep.lst").write_text("xfs: fshelp\nfshelp:\nls: extcmd\nextcmd:\nnet:\n")
    for name in ("xfs.mod", "fshelp.mod", "ls.mod", "extcmd.mod", "net.mod", "fs.lst", "kernel.img"):
        (tmp_path / name).write_text(name)
    assert module_needs((tmp_path / "moddep.lst").read_text(), ["xfs"]) == {"xfs", "fshelp"}
    with tarfile.open(fileobj=io.BytesIO(memdisk(tmp_path, ["ls", "xfs"], "menu"))) as archive:
        members = archive.getmembers()
        first = archive.extractfile(members[0])
        assert first is not None
        assert first.read() == b"menu"
    names = ["extcmd.mod", "fs.lst", "fshelp.mod", "ls.mod", "moddep.lst", "xfs.mod"]
    assert [member.name for member in members] == ["boot/grub/grub.cfg", *(f"boot/grub/x86_64-xen/{n}" for n in names)]
    assert {(member.mtime, member.uid, member.mode) for member in members} == {(0, 0, 0o644)}


def test_an_origin_needs_no_package_to_be_strict(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("file")
    with pytest.raises(VerifyError):
        Origin(tmp_path, {}, {}).read(tmp_path / "file")
