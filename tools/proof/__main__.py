"""`make proof`: judge every image three times, record it, and say where static checks and stand-in were wrong.

Then images that imagebuild makes itself are built, and the genuine loader has to boot them.

    IMAGEBUILD_PV_GRUB=pv-grub-x86_64.gz python -m tools.proof [NAME…]

With names, only those images are judged, and the others' records stay. The exit code is 1 on a disagreement, and when
an image of imagebuild's own did not boot.
"""

from __future__ import annotations

import os
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from imagebuild.errors import HostError
from imagebuild.events import Quiet
from imagebuild.host.cache import Cache
from imagebuild.report import Verdict
from imagebuild.testhost import prepare
from imagebuild.verify.loaders import ENVIRONMENT_VARIABLE, find_pv_grub
from tools.proof.guest import Guest, tiny_guest
from tools.proof.images import IMAGES, ProofImage
from tools.proof.judge import judge_boot, judge_static
from tools.proof.made import MADE, Made, MadeResult, judge_made
from tools.proof.record import VERDICTS, Record, Recorded, disagreements, read_record, write_record


def main(names: list[str]) -> int:
    cache = Cache()
    if unknown := set(names) - {image.name for image in IMAGES} - {item.name for item in MADE}:
        print(f"no such image: {', '.join(sorted(unknown))}")
        return 2
    loader = find_pv_grub(None, cache)
    if loader is None:
        raise HostError(f"there is no genuine PV-GRUB; name one in {ENVIRONMENT_VARIABLE}")
    path, facts = loader
    guest = tiny_guest(prepare(cache, Quiet())[0])
    if isinstance(guest, str):
        raise HostError(f"there is no kernel to boot: {guest}")
    assert facts.sha256 is not None
    # A verdict is one loader's: another one's record begins anew.
    before = read_record() if VERDICTS.is_file() else None
    known = before if before and before.sha256 == facts.sha256 else None
    images, made = (dict(known.images), dict(known.made)) if known else ({}, {})
    for image in IMAGES:
        if not names or image.name in names:
            images[image.name] = _judge(image, guest, cache, path)
            write_record(Record(facts.version, facts.sha256, images, made))
    for item in MADE:
        if not names or item.name in names:
            made[item.name] = _judge_made(item, cache, path)
            write_record(Record(facts.version, facts.sha256, images, made))
    wrong = disagreements(read_record())
    wrong += [name for name, found in made.items() if found.verdict is not Verdict.PASSED]
    print(f"{len(images)} images, {len(made)} made, {len(wrong)} wrong{': ' if wrong else ''}{', '.join(wrong)}")
    return 1 if wrong else 0


def _judge(image: ProofImage, guest: Guest, cache: Cache, pv_grub: Path) -> Recorded:
    with tempfile.TemporaryDirectory(prefix="proof-") as name:
        folder = Path(name)
        raw = folder / f"{image.name}.raw"
        image.make(guest, raw)
        found = Recorded(
            judge_static(raw, cache, folder),
            judge_boot(raw, cache, folder),
            judge_boot(raw, cache, folder, pv_grub),
            datetime.now(UTC).date().isoformat(),
        )
    words = f"static {found.static.verdict}, stand-in {found.stand_in.verdict}, genuine {found.genuine.verdict}"
    print(f"{image.name}: {words}{'' if found.agrees else '  DISAGREEMENT'}", flush=True)
    return found


def _judge_made(item: Made, cache: Cache, pv_grub: Path) -> MadeResult:
    with tempfile.TemporaryDirectory(prefix="proof-") as name:
        found = judge_made(item, cache, Path(name), pv_grub)
    print(f"{item.name}: {found.verdict}: {found.why} ({found.seconds} s)", flush=True)
    return found


if __name__ == "__main__":
    os.chdir(Path(__file__).parents[2])
    try:
        sys.exit(main(sys.argv[1:]))
    except HostError as error:
        sys.exit(f"{error.brief}\n{error.resolution}".rstrip())
