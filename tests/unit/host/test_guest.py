"""libguestfs' door: what to do where its binding cannot be imported."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagebuild.host.guest import binding_remedy


@pytest.mark.parametrize(
    ("settings", "closed"),
    [
        ("home = /usr/bin\ninclude-system-site-packages = false\n", True),
        ("home = /usr/bin\ninclude-system-site-packages = true\n", False),
        (None, False),  # no virtual environment at all
    ],
)
def test_an_environment_that_does_not_see_the_distribution_s_packages(
    tmp_path: Path, settings: str | None, closed: bool
) -> None:
    if settings is not None:
        (tmp_path / "pyvenv.cfg").write_text(settings)
    remedy = binding_remedy(tmp_path)
    assert "python3-guestfs" in remedy
    assert (f"include-system-site-packages = true in {tmp_path}/pyvenv.cfg" in remedy) == closed
