"""Two snapshots become a Difference, and that becomes lines and a page."""

from __future__ import annotations

from dataclasses import replace

from imagebuild.diff.compare import FileChange, compare, folded
from imagebuild.diff.snapshot import FileFacts, Snapshot
from imagebuild.diff.text import lines
from imagebuild.operations.diff import page_of
from imagebuild.pages.model import PackageLine

FILE = FileFacts("file", 0o644, 0, 0, 5, "aa")
A = Snapshot(
    "a", layout={"size": "1", "(hd0)": "ext4"}, menu="default 0\ntitle x\n", kernels=("x: /vmlinuz",),
    packages=(PackageLine("bash", "1", "amd64"),), files={"/": FileFacts("directory", 0o755, 0, 0), "/f": FILE},
)  # fmt: skip


def said(a: Snapshot, b: Snapshot) -> str:
    return "\n".join("".join(text for text, _ in line) for line in lines(compare(a, b)))


def test_the_same() -> None:
    assert compare(A, A).same
    assert said(A, replace(A, name="b")) == "a and b are the same"
    assert "They are the same" in page_of(compare(A, A))


def test_what_is_not_known_is_not_called_the_same() -> None:
    assert said(A, replace(A, files=None, packages=None)) == (
        "a and a are the same (packages and files could not be compared)"
    )


def test_everything_that_can_differ() -> None:
    link = FileFacts("link", 0o777, 0, 0, target="f")
    b = Snapshot(
        "b", layout={"size": "2", "swap": "there"}, menu="default 1\ntitle x\n", kernels=("y: /vmlinuz",),
        packages=(PackageLine("bash", "2", "amd64"), PackageLine("nano", "1", "amd64")),
        files={"/": A.files["/"] if A.files else FILE, "/f": replace(FILE, mode=0o4755, uid=7, sha256="bb",
               xattrs=(("user.x", "68"),)), "/l": link},
    )  # fmt: skip
    found = compare(A, b)
    assert [fact.name for fact in found.layout] == ["size", "(hd0)", "swap"]
    assert found.files[0].what == ("content", "mode", "owner", "xattrs")
    text = said(A, b)
    for line in ("  ~ size  1 -> 2", "  - (hd0)  ext4", "  ~ bash  1 -> 2", "  + nano  1", "  -default 0",
                 "  +default 1",
                 "  ~ /f  content, xattrs, mode 0644 -> 4755, owner 0:0 -> 7:0", "  + /l"):  # fmt: skip
        assert line in text.splitlines()
    page = page_of(found)
    assert "They differ" in page
    assert "mode 4755" in page


def test_of_features_only_what_differs_is_shown() -> None:
    a, b = (
        replace(A, layout={"(hd0) features": words}) for words in ("extent 64bit flex_bg", "extent flex_bg casefold")
    )
    assert "  ~ (hd0) features  -64bit +casefold" in said(a, b).splitlines()


def test_folders_that_came_whole_are_one_line() -> None:
    names = ["/new", "/new-one", "/new/a", "/new/a/b", "/other"]
    files = tuple(FileChange(path=name, change="added") for name in names)
    assert [(change.path, inside) for change, inside in folded(files)] == [("/new", 2), ("/new-one", 0), ("/other", 0)]


def test_a_hostile_name_stays_text() -> None:
    b = replace(A, files={**(A.files or {}), "/<script>alert(1)</script>\x1b": FILE})
    page = page_of(compare(A, b))
    assert "<script>alert" not in page
    assert "\x1b" not in page
