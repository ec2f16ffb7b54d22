"""The interpreters of menus, held against the programs themselves: generated menus with a fixed seed, no disagreement.

The long run is `python -m tools.proof.menus` (`make proof`).
"""

from __future__ import annotations

import pytest

from imagebuild.testhost import TestHost
from tests.menus.sides import SIDES

pytestmark = pytest.mark.needs("testhost")
_SEED, _COUNT = 2026, 200


@pytest.mark.parametrize("side", SIDES)
def test_no_disagreement(side: str, test_host: TestHost) -> None:
    tally = SIDES[side](test_host.tools, _SEED, _COUNT)
    assert tally.compared > _COUNT * 0.8
    assert not tally.disagreements, "\n".join(words for _, words in tally.disagreements[:3])
