"""A long run of fstabs against systemd's own generator: `python -m tools.proof.fstabs [COUNT [SEED]]`.

The exit code is 1 on a disagreement; each is printed with both sides.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from pathlib import Path

from imagebuild.formats.fstab import needs, read_fstab
from tests.fstab_generator import expected, generated, judge, judges_swap, version

_COUNT, _SEED = 2500, 20260


def main(count: int, seed: int) -> int:
    fstabs = generated(seed, count)
    found: Counter[str] = Counter()
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="fstabs-") as name:
        systemd = version()
        swap = judges_swap(Path(name) / "swap")
        for text, links in zip(fstabs, judge(fstabs, Path(name)), strict=True):
            read = needs((line for line in read_fstab(text) if swap or not line.is_swap), systemd=systemd)
            found.update(need.need for need in read)
            if (ours := expected(read)) != links:
                wrong += 1
                print(f"{text!r}\n  only systemd: {sorted(links - ours)}\n  only imagebuild: {sorted(ours - links)}")
    shown = ", ".join(f"{number} {word}" for word, number in sorted(found.items()))
    print(f"{count} fstabs (seed {seed}), {found.total()} lines{'' if swap else ' without swap'}: {shown}")
    print(f"{wrong} disagreements with systemd {systemd}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*(int(word) for word in (*sys.argv[1:3], *map(str, (_COUNT, _SEED)[len(sys.argv[1:3]) :])))))
