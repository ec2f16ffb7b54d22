"""What `inspect` prints and draws: made harmless, complete, to scale."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from imagebuild.cli.inspection_lines import lines
from imagebuild.operations.inspect import drawing
from imagebuild.report import Check, Outcome
from imagebuild.verify.inspection import (
    BootFile,
    Entry,
    Filesystem,
    Initrd,
    Inspection,
    Kernel,
    Menu,
    Part,
    Stretch,
)
from imagebuild.verify.loader_runs import LoaderChoice

MIB = 2**20
HOSTILE = "\x1b[31m<b>\x9b&\n"


def part(kind: str, name: str, offset: int, size: int, holds: str, label: str = "") -> Part:
    filesystem = Filesystem(
        type=holds, uuid="1-2", label=label, block_bytes=1024, features=("64bit", "filetype"), unclean="dirty"
    )
    return Part(
        kind=kind,
        name=name,
        size_bytes=size,
        stretches=(Stretch(offset_bytes=offset, size_bytes=size),),
        type_code="83",
        partuuid="12345678-01",
        filesystem=filesystem,
    )


def inspection() -> Inspection:
    kernel = Kernel(
        format="bzImage", release="6.1", architecture="x86_64", protocol="2.15", compression="xz", complete=False
    )
    entry = Entry(
        number=0,
        title=HOSTILE,
        role="default",
        root="(hd0,0)",
        kernel=BootFile(written="/vmlinuz", place="(hd0,0)", path="/vmlinuz", size_bytes=MIB, kernel=kernel),
        arguments="root=UUID=1-2",
        initrd=BootFile(written="/initrd", initrd=Initrd(compressions=("none", "xz"), files=7, releases=("6.1",))),
        others=("savedefault",),
    )
    missing = entry.model_copy(update={"number": 1, "role": "", "kernel": BootFile(written="/no", problem="not there")})
    menu = Menu(
        place="(hd0,0)", path="/boot/grub/menu.lst", default="saved", timeout=None, fallback=(1,),
        entries=(entry, missing), others=(),
    )  # fmt: skip
    return Inspection(
        image="/tmp/disk.raw",
        format="raw",
        size_bytes=100 * MIB,
        layout="hd00",
        table="dos",
        parts=(
            part("partition", "(hd0,0)", MIB, 24 * MIB, "ext4", HOSTILE),
            part("partition", "(hd0,1)", 25 * MIB, 50 * MIB, "LVM2_member"),
            part("volume", "/dev/vg0/root", 26 * MIB, 25 * MIB, "xfs"),
        ),
        menu=menu,
        menu_problem="",
        loader="pv-grub",
        choices=(
            LoaderChoice(loader="grub-0.97", entry=0, fallbacks=(1,), waits=True, reason="default 0"),
            LoaderChoice(loader="pygrub", entry=None, fallbacks=(), waits=False, reason="the menu has no entry"),
        ),
        differences=("grub-0.97 waits", "pygrub starts nothing"),
        findings=(
            Check(machine="static", name="holes", outcome=Outcome.FAILED, detail="hole at block 3"),
            Check(machine="static", name="menu", outcome=Outcome.PASSED, detail="fine"),
        ),
    )


def text() -> str:
    return "\n".join("".join(piece for piece, _style in line) for line in lines(inspection()))


def test_everything_is_said() -> None:
    shown = text()
    for expected in (
        "disk.raw: raw, 100 MiB, hd00, MBR",
        "not clean: dirty",
        "blocks of 1.0 KiB, 64bit\n",
        "default saved, fallback 1, no timeout",
        "bzImage 6.1, x86_64, protocol 2.15, xz, truncated",
        "none+xz, 7 files, modules for 6.1",
        "/no  not there",
        "waits forever at entry 0",
        "starts nothing: the menu has no entry",
        "The loaders differ",
        "Findings  1 passed, 1 failed, by the rules of pv-grub",
        "failed  holes: hole at block 3",
    ):
        assert expected in shown


def test_names_out_of_an_image_are_escaped() -> None:
    assert all(line.isprintable() for line in text().split("\n"))
    assert r"\x1b[31m<b>\x9b&\n" in text()


def test_no_menu() -> None:
    found = inspection().model_copy(update={"menu": None, "menu_problem": "does not exist", "choices": ()})
    shown = "\n".join("".join(piece for piece, _style in line) for line in lines(found))
    assert "Menu  none: does not exist" in shown
    assert "no boot loader finds a menu" in shown


def test_the_drawing_is_to_scale() -> None:
    tree = ElementTree.fromstring(drawing(inspection()))
    bars = [item for item in tree.iter() if item.tag.endswith("rect") and item.get("height") == "64"]
    widths = {str(bar[0].text).partition(":")[0]: float(str(bar.get("width"))) for bar in bars}
    disk = widths["not used"]
    assert [round(widths[name] / disk, 3) for name in ("(hd0,0)", "(hd0,1)", "/dev/vg0/root")] == [0.24, 0.5, 0.25]
    lefts = {str(bar[0].text).partition(":")[0]: float(str(bar.get("x"))) for bar in bars}
    assert round((lefts["/dev/vg0/root"] - lefts["not used"]) / disk, 3) == 0.26
    assert all(float(str(bar.get("x"))) + float(str(bar.get("width"))) <= 940.01 for bar in bars)


def test_the_drawing_holds_no_markup_of_the_image() -> None:
    shown = drawing(inspection())
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", shown)
    assert "&lt;b&gt;" in shown
    assert "<b>" not in shown
