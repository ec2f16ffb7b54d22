"""The long run of the menus' differential tests: `python -m tools.proof.menus [COUNT [SEED]]`, part of `make proof`.

For each loader COUNT generated menus (2,000) are run by the interpreter and by the program; every disagreement is
printed with its menu, and makes the exit code 1.
"""

from __future__ import annotations

import sys

from imagebuild.events import Quiet
from imagebuild.host.cache import Cache
from imagebuild.testhost import prepare
from tests.menus.sides import SIDES

_COUNT, _SEED = 2000, 97


def main(argv: list[str]) -> int:
    count, seed = [*map(int, argv), *(_COUNT, _SEED)[len(argv) :]]
    tools = prepare(Cache(), Quiet())[0].tools
    wrong = 0
    for name, side in SIDES.items():
        tally = side(tools, seed, count)
        print(f"{name}, seed {seed}: {tally}", flush=True)
        for menu, words in tally.disagreements:
            print(f"--- {menu!r}\n{words}")
        wrong += len(tally.disagreements)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
