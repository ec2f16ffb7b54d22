"""OCI image layouts: the right image is found, every blob is checked, layers are merged as the specification says."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Any

import pytest

from imagebuild.errors import BuildError
from imagebuild.events import Quiet
from imagebuild.plan.steps import TakeOci
from imagebuild.rootfs.oci import find_image, pack_image
from tests.unit.rootfs.oci_layouts import (
    INDEX,
    MANIFEST,
    Members,
    entry,
    file,
    put_blob,
    put_image,
    put_json,
    tagged,
    write_layout,
)

DIR, LINK, HARD, CHAR = tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE


def step(tag: str | None = None, architecture: Any = "x86_64") -> TakeOci:
    return TakeOci(path="layout", tag=tag, architecture=architecture)


def merged(layout: Path, layers: list[Members]) -> dict[str, tuple[tarfile.TarInfo, bytes]]:
    write_layout(layout, [put_image(layout, layers)])
    target = layout / "tree.tar"
    pack_image(find_image(step(), layout), target, Quiet())
    with tarfile.open(target, errors="surrogateescape") as tar:
        return {
            info.name.removeprefix("./"): (info, tar.extractfile(info).read() if info.isreg() else b"")  # type: ignore[union-attr]
            for info in tar
        }


def refused(layout: Path, the_step: TakeOci) -> str:
    with pytest.raises(BuildError) as caught:
        find_image(the_step, layout)
    return f"{caught.value.brief} / {caught.value.resolution}"


def test_layers_lie_on_each_other(tmp_path: Path) -> None:
    found = merged(
        tmp_path,
        [
            [entry("etc", DIR, mode=0o700), file("etc/a", b"old"), file("etc/b", b"kept", uid=5, gid=6, mode=0o4711)],
            [file("etc/a", b"new"), file("new", b"n"), entry("etc", DIR, mode=0o750)],
        ],
    )
    assert found["etc/a"][1] == b"new"
    assert found["etc"][0].mode == 0o750
    assert (found["etc/b"][0].uid, found["etc/b"][0].gid, found["etc/b"][0].mode) == (5, 6, 0o4711)
    assert list(found).index("etc") < list(found).index("etc/a")


def test_whiteouts(tmp_path: Path) -> None:
    found = merged(
        tmp_path,
        [
            [file("gone"), entry("folder", DIR), file("folder/x"), entry("opaque", DIR), file("opaque/old"),
             file("stays"), entry("deep", DIR), entry("deep/er", DIR), file("deep/er/x")],
            [file(".wh.gone"), file(".wh.folder"), file("opaque/new"), file("opaque/.wh..wh..opq"),
             file("deep/.wh.er"), file(".wh..wh.plnk"), file(".wh.never-there")],
            [file("gone", b"back again")],
        ],
    )  # fmt: skip
    assert sorted(found) == ["deep", "gone", "opaque", "opaque/new", "stays"]
    assert found["gone"][1] == b"back again"


def test_a_whiteout_takes_nothing_of_its_own_layer(tmp_path: Path) -> None:
    found = merged(tmp_path, [[file("x", b"lower")], [file("x", b"own"), file(".wh.x")]])
    assert found["x"][1] == b"own"


def test_folders_and_files_in_each_others_place(tmp_path: Path) -> None:
    found = merged(
        tmp_path,
        [
            [entry("a", DIR), file("a/x"), file("b"), entry("l", LINK, linkname="a")],
            [file("a", b"file now"), entry("b", DIR), file("b/y"), entry("l", DIR), file("l/z")],
        ],
    )
    assert sorted(found) == ["a", "b", "b/y", "l", "l/z"]
    assert found["a"][1] == b"file now"
    assert found["l"][0].isdir()


def test_hard_links_outlive_the_name_they_were_made_from(tmp_path: Path) -> None:
    found = merged(
        tmp_path,
        [
            [file("first", b"data"), entry("second", HARD, linkname="first")],
            [file(".wh.first"), entry("third", HARD, linkname="second")],
            [file("second", b"other")],
        ],
    )
    assert sorted(found) == ["second", "third"]
    assert (found["second"][1], found["third"][1]) == (b"other", b"data")


def test_parents_through_symbolic_links_stay_inside(tmp_path: Path) -> None:
    found = merged(
        tmp_path,
        [
            [entry("usr", DIR), entry("usr/lib", DIR), entry("lib", LINK, linkname="usr/lib"),
             entry("out", LINK, linkname="../../../../usr"), entry("abs", LINK, linkname="/usr/lib")],
            [file("lib/one"), file("out/two"), file("abs/three"), file("abs/.wh.four")],
        ],
    )  # fmt: skip
    assert {"usr/lib/one", "usr/two", "usr/lib/three"} <= set(found)


def test_devices_attributes_and_odd_names_are_kept(tmp_path: Path) -> None:
    latin = b"caf\xe9\n".decode("utf-8", "surrogateescape")
    capability = b"\x01\x00\x00\x02\xff".decode("utf-8", "surrogateescape")
    headers = {"SCHILY.xattr.security.capability": capability, "mtime": "1600000000.123456789"}
    found = merged(
        tmp_path,
        [[entry("dev", CHAR, devmajor=1, devminor=3), file(latin, b"x"), file("ping", b"x", pax_headers=headers)]],
    )
    assert (found["dev"][0].devmajor, found["dev"][0].devminor) == (1, 3)
    assert found[latin][1] == b"x"
    assert found["ping"][0].pax_headers == headers | {"hdrcharset": "BINARY"}


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ([[file("../x")]], "points outside the tree with .."),
        ([[file("a/../../x")]], "points outside the tree with .."),
        ([[entry("h", HARD, linkname="../../etc/passwd")]], "points outside the tree with .."),
        ([[entry("h", HARD, linkname="nothing")]], "is a hard link to nothing, which is not a file before it"),
        ([[entry("a", LINK, linkname="b"), entry("b", LINK, linkname="a"), file("a/x")]], "loop of symbolic links"),
        ([[file("a"), file("a/x")]], "which is not a directory"),
    ],
)
def test_hostile_layers(layers: list[Members], words: str, tmp_path: Path) -> None:
    write_layout(tmp_path, [put_image(tmp_path, layers)])
    with pytest.raises(BuildError) as caught:
        pack_image(find_image(step(), tmp_path), tmp_path / "tree.tar", Quiet())
    assert words in caught.value.brief


def test_which_image(tmp_path: Path) -> None:
    amd = put_image(tmp_path, [[file("a")]], platform={"os": "linux", "architecture": "amd64"})
    arm = put_image(tmp_path, [[file("b")]], "arm64", platform={"os": "linux", "architecture": "arm64"})
    other = put_image(tmp_path, [[file("c")]])
    both = put_json(tmp_path, {"manifests": [amd, arm]}, INDEX)
    write_layout(tmp_path, [tagged(both, "stable"), tagged(other, "testing")])
    assert find_image(step("stable"), tmp_path).manifest_digest == amd["digest"]
    assert find_image(step("testing"), tmp_path).manifest_digest == other["digest"]
    assert "holds 2 images for amd64" in refused(tmp_path, step())
    assert "stable (several architectures), testing" in refused(tmp_path, step())
    assert "contains no image for amd64 with the tag edge" in refused(tmp_path, step("edge"))
    assert "contains no image for 386 with the tag stable" in refused(tmp_path, step("stable", "i386"))
    assert "the image is for amd64, the recipe for i386" in refused(tmp_path, step("testing", "i386"))


def test_damage(tmp_path: Path) -> None:
    image = put_image(tmp_path, [[file("a", b"x")]])
    write_layout(tmp_path, [image])
    layer = find_image(step(), tmp_path).layers[0]
    layer.write_bytes(layer.read_bytes().replace(b"x", b"y"))
    assert "is damaged" in refused(tmp_path, step())
    layer.unlink()
    assert "cannot be read: No such file" in refused(tmp_path, step())
    for digest in ("sha256:../../../../etc/passwd", "md5:" + "0" * 32, None, 7):
        write_layout(tmp_path, [{**image, "digest": digest}])
        assert "is not a known digest" in refused(tmp_path, step())


def test_what_is_no_layout(tmp_path: Path) -> None:
    assert "oci-layout cannot be read" in refused(tmp_path, step())
    (tmp_path / "oci-layout").write_text('{"imageLayoutVersion": "2.0"}')
    assert "names no version 1" in refused(tmp_path, step())
    write_layout(tmp_path, [])
    assert "contains no image" in refused(tmp_path, step())
    for text, words in (("[]", "not a JSON object"), ("{", "is not JSON"), ('{"manifests": 3}', "no list of manifests"),
                        ("[" * 100_000, "is not JSON")):  # fmt: skip
        (tmp_path / "index.json").write_text(text)
        assert words in refused(tmp_path, step())
    encrypted = {"layers": [put_blob(tmp_path, b"x", "application/vnd.oci.image.layer.v1.tar+gzip+encrypted")]}
    config = put_json(tmp_path, {}, "application/vnd.oci.image.config.v1+json")
    write_layout(tmp_path, [put_json(tmp_path, encrypted | {"config": config}, MANIFEST)])
    assert "decrypt" in refused(tmp_path, step())


def test_an_index_of_itself_ends(tmp_path: Path) -> None:
    below = put_json(tmp_path, {"manifests": []}, INDEX)
    for _level in range(5):
        below = put_json(tmp_path, {"manifests": [below] * 5}, INDEX)
    write_layout(tmp_path, [below])
    assert "more than 100 indexes" in refused(tmp_path, step())
