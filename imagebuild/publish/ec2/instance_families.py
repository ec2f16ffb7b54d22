"""Which EC2 instances can start what (ec2.toml), as lines for the user: PV is the legacy path."""

from __future__ import annotations

import tomllib
from functools import lru_cache
from importlib.resources import files
from typing import Any, Literal

Virtualization = Literal["paravirtual", "hvm"]


@lru_cache(maxsize=1)
def _file() -> dict[str, Any]:
    return tomllib.loads(files("imagebuild.publish.ec2").joinpath("ec2.toml").read_text(encoding="utf-8"))


def pv_regions() -> frozenset[str]:
    """The regions that have PV instances at all."""
    return frozenset(_file()["paravirtual"]["regions"])


def who_starts(virtualization: Virtualization, region: str) -> list[str]:
    """One to two lines: the instance families for such an image in `region`, and a warning where there are none."""
    pv, hvm = _file()["paravirtual"], _file()["hvm"]
    if virtualization == "hvm":
        return [
            f"HVM: started by every family but {', '.join(hvm['not_families'])};"
            f" {hvm['nitro_families']} need the ENA and NVMe drivers in the image's kernel"
        ]
    lines = [f"PV is EC2's legacy path: only the previous-generation families {', '.join(pv['families'])} start it"]
    if region not in pv_regions():
        lines.append(f"warning: no PV instances are known in {region} (known: {', '.join(pv['regions'])})")
    return lines
