"""What was seen, as data (verdicts.json) and as the table in docs/proof.md."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from imagebuild.report import Verdict
from tools.proof.images import IMAGES
from tools.proof.judge import Word
from tools.proof.made import MADE, MadeResult

VERDICTS = Path(__file__).with_name("verdicts.json")
PAGE = Path(__file__).parents[2] / "docs/proof.md"
_MOST_WORDS = 90
_HEAD = """\
# Proof by disagreement

Each image below was verified three times: by the static checks, by a boot with the stand-in (GRUB 2 reading menu.lst),
and by a boot with the genuine PV-GRUB. The verdict of imagebuild without a genuine loader, from static checks and
stand-in together, must be that of the genuine one. `make proof` writes this page; the recorded verdicts are in
`tools/proof/verdicts.json`, and `tests/boot/test_recorded_verdicts.py` fails when ours differ from them.

"""

_MADE = """
## Images made by imagebuild

Built from one Debian 12 tree, checked statically, and booted to the login prompt by the genuine loader named
above. `make proof` builds and boots them, and so does `tests/boot/test_made.py` where there is a genuine loader.

| image | disk | verdict | seen | seconds | date |
|---|---|---|---|---|---|
"""
_FOUND = """
## The image that started this

`hd0-ext4-1k-holes` is what `mke2fs -d` makes with 1 KiB blocks: a kernel with holes, Error 16. `verify --with static`
refuses it with 2.6 s of processor time in all (2026-11-24), and `imagebuild repair` makes a copy of it that boots
(`tests/boot/test_repaired.py`, with the genuine loader where there is one).

## Disagreements found and resolved

| image | we said | the genuine PV-GRUB | now |
|---|---|---|---|
| a kernel in hundreds of extents | failed: 0.97's shell, which reads byte by byte, ran out of time | boots | \
the shell reads for a few seconds, and what it reads must be right; the extent map is checked completely |
| a journal that waits for a replay | failed | boots | a caution: no check replays it, so all checks see what the \
loader reads |
| the default's kernel is missing, the fallback's is there | failed | boots the fallback | passed, with a warning that \
names the entry that boots; a dead fallback behind a good default is a warning, too |
| an entry without a `root` line, or with `uuid` in its place | passed with a caution | Error 21 | failed |
| `savedefault` without /boot/grub/default | passed with a caution, and the stand-in boots it | Error 15 | failed |
| ext4 with bigalloc, or with meta_bg | failed (inferred from the sources) | boots | a caution |
| a kernel packed with bzip2 or lzma | the stand-in: not xen image | boots | Xen itself starts it where the stand-in \
cannot |
| /boot on Btrfs | passed with a caution | ends at its prompt | failed; `--loader pvgrub2` asks GRUB 2 |
| a hole of one block in an initrd on ext4 | failed | booted, as long as nothing read the zeros | failed: this \
guest reads them, and finds the block behind the hole; Debian's build of the shell answers Error 16 there |
| ext4 with inline_data, where directories lie inside their inodes | failed | searches the directory for ever, \
silently | failed; in the image above only menu.lst is such a file, and the loader ends at its prompt |
| GPT | passed with a caution | ends at its prompt | as before: the public loader says nothing about GPT |

## Menus and fstabs, held against the programs that read them

No list of images is long enough for a menu, which is a program, and for fstab. Both are generated, by a grammar with
mutations, and each text is read by imagebuild and by the program itself: for menus `python -m tools.proof.menus` (line
by line: what each line did, which error it was, what is started in the end), for fstabs `python -m tools.proof.fstabs`.
`make proof` runs them both, and the ordinary tests run shorter ones with a fixed seed.

| reader | held against | texts | seed | disagreements |
|---|---|---|---|---|
| GRUB 0.97's menu | GRUB 0.97's own shell (Debian's grub-legacy) | 3000 menus | 1601 | none |
| pygrub's menu | pygrub of Xen 4.17 | 3000 menus | 1601 | none |
| GRUB 2's reader of menu.lst | grub-menulst2cfg | 2805 menus | 1601 | none |
| fstab | systemd-fstab-generator 252 | 2500 fstabs, 9571 lines | 20260 | none |
| fstab | systemd-fstab-generator 257 | 2500 fstabs, 8236 lines without swap | 20260 | none |

195 more menus were not compared with grub-menulst2cfg, because that program's own behaviour is undefined there: a
partition that is no number (it reads what was never set), a quote in a device's file, and `lock`, behind which it
forgets the end of the line.

Found on the way, and mended: `hide`, `unhide` and `parttype` of a partition that is not in the table are no error in
0.97, which we took for Error 22. The four of fstab are in [What "verified" means](explanation/verified.md).
"""


@dataclass(frozen=True)
class Recorded:
    """One image's verdicts. `decided_by`: what finds it bad without the genuine loader; `boot` for the good ones."""

    static: Word
    stand_in: Word
    genuine: Word
    date: str

    @property
    def combined(self) -> Verdict:
        """As the runner combines them: one failure is enough, and a boot that decided nothing leaves it open."""
        if Verdict.FAILED in (self.static.verdict, self.stand_in.verdict):
            return Verdict.FAILED
        return self.stand_in.verdict

    @property
    def decided_by(self) -> Literal["static", "boot"]:
        return "static" if self.static.verdict is Verdict.FAILED else "boot"

    @property
    def agrees(self) -> bool:
        return self.combined is self.genuine.verdict


@dataclass(frozen=True)
class Record:
    """`loader` and `sha256`: of the genuine PV-GRUB. `made`: images made by imagebuild, which it alone judged."""

    loader: str
    sha256: str
    images: Mapping[str, Recorded]
    made: Mapping[str, MadeResult]


def read_record(path: Path = VERDICTS) -> Record:
    document = json.loads(path.read_text(encoding="utf-8"))
    images = {name: _recorded(item) for name, item in document["images"].items()}
    made = {
        name: MadeResult(**{**item, "verdict": Verdict(item["verdict"])})
        for name, item in document.get("made", {}).items()
    }
    return Record(document["loader"], document["sha256"], images, made)


def _recorded(item: dict[str, Any]) -> Recorded:
    words = {key: Word(Verdict(item[key]["verdict"]), item[key]["why"]) for key in ("static", "stand_in", "genuine")}
    return Recorded(**words, date=item["date"])


def write_record(record: Record, path: Path = VERDICTS, page: Path = PAGE) -> None:
    images = {image.name: asdict(record.images[image.name]) for image in IMAGES if image.name in record.images}
    made = {name: asdict(item) for name, item in record.made.items()}
    document = {"loader": record.loader, "sha256": record.sha256, "images": images, "made": made}
    text = json.dumps(document, indent=1, ensure_ascii=True)
    path.write_text(text + "\n", encoding="utf-8")
    page.write_text(table(record), encoding="utf-8")


def disagreements(record: Record) -> list[str]:
    """The images on which our verdict is not the genuine loader's, but for those of which it is no judge."""
    no_judge = {image.name for image in IMAGES if image.no_judge}
    return [name for name, found in record.images.items() if not found.agrees and name not in no_judge]


def table(record: Record) -> str:
    """The page: the loader, the numbers, one row an image."""
    known = {image.name: image for image in IMAGES if image.name in record.images}
    found = {name: record.images[name] for name in known}
    good = sum(item.genuine.verdict is Verdict.PASSED for item in found.values())
    wrong = disagreements(record)
    lines = [
        f"Genuine loader: {record.loader}, sha256 `{record.sha256}`.",
        "",
        f"{len(found)} images, {good} that it boots and {len(found) - good} that it does not; "
        f"disagreements: {', '.join(wrong) or 'none'}.",
        "",
        "| image | what it is | static | stand-in | genuine | why | date |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, item in found.items():
        why = item.genuine.why if item.genuine.verdict is Verdict.FAILED else ""
        verdicts = [item.static.verdict, item.stand_in.verdict, item.genuine.verdict]
        cells = [name, known[name].about, *verdicts, why, item.date]
        lines.append("| " + " | ".join(_cell(str(cell)) for cell in cells) + " |")
    lines += [""] if any(image.no_judge for image in known.values()) else []
    lines += [f"`{name}`: {image.no_judge}; not counted above." for name, image in known.items() if image.no_judge]
    return _HEAD + "\n".join(lines) + "\n" + _MADE + _made_rows(record) + _FOUND


def _made_rows(record: Record) -> str:
    """One row for each that was made, in the order of MADE."""
    rows = [(item, record.made[item.name]) for item in MADE if item.name in record.made]
    return "".join(
        f"| {item.name} | {item.about} | {found.verdict} | {_cell(found.why)} | {found.seconds} | {found.date} |\n"
        for item, found in rows
    )


def _cell(text: str) -> str:
    text = text.replace("|", "\\|").replace("\n", " ")
    return text if len(text) <= _MOST_WORDS else text[: _MOST_WORDS - 1] + "…"
