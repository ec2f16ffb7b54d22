"""report.html as text: whole, self-contained, deaf to what an image says. tests/integration/pages has a browser."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from imagebuild.formats.text import pictured
from imagebuild.pages.changes import changes, package_changes
from imagebuild.pages.clean import console_lines
from imagebuild.pages.drawing import draw
from imagebuild.pages.model import Area, DiskFacts, PackageLine, Stretch
from imagebuild.pages.render import delta, report_html
from imagebuild.report import BootEnd, Check, Outcome
from tests.unit.pages.samples import HOSTILE, HOSTILE_BYTES, MIB, page

_VOID = {"meta", "input", "br", "img", "link"}


class Elements(HTMLParser):
    """All elements with their attributes, all text, and whether every element is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.mark.parametrize("hostile", [False, True])
def test_the_page_is_whole_and_needs_nothing_else(hostile: bool) -> None:
    text = report_html(page(hostile))
    seen = Elements(text)
    assert not seen.open, "every element is closed"
    tags = [tag for tag, _ in seen.elements]
    assert tags.count("script") == 1
    assert not {"img", "link", "iframe", "object", "base", "form"} & set(tags)
    for _, attributes in seen.elements:
        assert not any(name.startswith("on") for name in attributes)
        assert "src" not in attributes
        assert (attributes.get("href") or "#").startswith("#")
    assert "url(" not in text
    assert "http" not in text.replace("http-equiv", "")


def test_what_an_enemy_writes_is_shown_as_text() -> None:
    text = report_html(page(hostile=True))
    assert "<script>document.title" not in text
    assert "&lt;script&gt;document.title" in text
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]", text)
    text.encode("utf-8")
    shown = "".join(Elements(text).words)
    assert HOSTILE.partition("\x1b")[0] in shown
    assert "\ufffd\ufffd\ufffd( not UTF-8" in shown
    assert "Kernel panic - not syncing: <b>no</b> init" in shown


def test_names_cannot_break_json_or_the_policy() -> None:
    text = report_html(page(hostile=True))
    policy = next(a["content"] for tag, a in Elements(text).elements if a.get("http-equiv"))
    assert policy is not None
    assert policy.startswith("default-src 'none'; ")
    assert json.loads(json.dumps(text)) == text


def test_what_went_wrong_comes_first() -> None:
    whole = page(hostile=True)
    boot = whole.report.boots[0]
    good = boot.model_copy(update={"machine": "qemu", "end": BootEnd.REACHED, "console": "console-qemu.log"})
    skipped = Check(machine="qemu", name="boot", outcome=Outcome.SKIPPED, detail="no driver for a disk of QEMU's")
    told = whole.report.model_copy(
        update={"boots": (good, boot), "checks": (*whole.report.checks, skipped), "remedy": "imagebuild verify FILE",
                "unverified_because": "slow"}
    )  # fmt: skip
    contents = (("recipe", "web.yaml (git 1a2b3c4)"), ("users", "ada"))
    text = report_html(replace(whole, report=told, contents=contents))
    assert text.index('<a href="#boot-xen">') < text.index('<a href="#boot-qemu">'), "the bad boot before the good one"
    order = [text.index(f'id="{name}"') for name in ("boot-xen", "boot-qemu", "checks", "image", "packages", "digests")]
    assert order == sorted(order)
    assert text.index("What to do: <code>imagebuild verify FILE</code>") < text.index("<section")
    assert text.index("no driver for a disk of QEMU&#39;s") < text.index("<section"), (
        "a skipped boot is said at the top"
    )
    assert "<dt>recipe</dt><dd>web.yaml (git 1a2b3c4)</dd><dt>users</dt><dd>ada</dd>" in text
    assert whole.report.image.sha256 in text[text.index('id="digests"') :]


def test_console_lines() -> None:
    lines, left_out = console_lines(HOSTILE_BYTES)
    assert left_out == 0
    assert lines[2:] == ["ok red", "progress 100%", "Kernel panic - not syncing: <b>no</b> init"]
    lines, left_out = console_lines(b"\n".join(b"%d" % number for number in range(100)), most_lines=40)
    assert (len(lines), left_out) == (40, 60)
    assert (lines[0], lines[9], lines[10], lines[-1]) == ("0", "9", "70", "99")
    assert pictured("a\x00b\x1bc\x7f\x9b\ud800") == "a␀b␛c\ufffd\ufffd\ufffd"


def test_the_disk_is_drawn_to_scale() -> None:
    drawing = draw(page().disk or DiskFacts(0, "none", ()))
    partition, group, root, swap = drawing.boxes
    assert partition.width == pytest.approx(12.5)
    assert group.x == pytest.approx(100 * 129 / 1024, abs=0.001)
    assert root.y == swap.y > partition.y == group.y
    assert root.width / partition.width == pytest.approx(700 / 128, rel=1e-3)
    assert drawing.thin, "2 MiB of 1 GiB cannot be seen"
    assert [tick.size_bytes // MIB for tick in drawing.ticks] == [0, 256, 512, 768]


@pytest.mark.parametrize("disk", [
    DiskFacts(0, "none", ()),
    DiskFacts(10, "dos", (Area("(hd0,0)", 2**62, (Stretch(2**62, 2**62),), "ext4"), Area("x", 0, (), "y", level=1))),
])  # fmt: skip
def test_a_nonsensical_disk_is_still_drawn_inside(disk: DiskFacts) -> None:
    for box in draw(disk).boxes:
        assert 0 <= box.x <= box.x + box.width <= 100


def test_changes() -> None:
    found = changes(page())
    assert found is not None
    assert [(change.name, change.kind) for change in found.packages] == [
        ("bash", "changed"), ("linux-image-6.1.0-44-amd64", "added"), ("nano", "removed"),
    ]  # fmt: skip
    assert found.facts == ()
    worse = changes(page(hostile=True))
    assert worse is not None
    assert [(fact[0], fact[2]) for fact in worse.facts] == [("verdict", "failed"), ("xen: boot", "failed")]
    assert [figure.name for figure in worse.figures if figure.before is None] == [f"xen: {HOSTILE}"]


def test_packages_of_two_architectures() -> None:
    before = [PackageLine("libc6", "1", "amd64"), PackageLine("libc6", "1", "i386"), PackageLine("doc", "1", "all")]
    after = [PackageLine("libc6", "1", "amd64"), PackageLine("libc6", "2", "i386"), PackageLine("doc", "1", "amd64")]
    assert [(c.name, c.before, c.after) for c in package_changes(before, after)] == [("libc6:i386", "1", "2")]


@pytest.mark.parametrize(
    ("before", "after", "unit", "text"),
    [(1, 1, "bytes", "same"), (0, 2**20, "bytes", "+1.0 MiB"), (9.0, 5.5, "seconds", "−3.5 s"), (None, 1, "bytes", "")],
)
def test_delta(before: float | None, after: float | None, unit: str, text: str) -> None:
    assert delta(before, after, unit) == text
