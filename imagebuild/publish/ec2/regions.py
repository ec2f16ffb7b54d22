"""The names of EC2's regions, checked before anything is read or asked."""

from __future__ import annotations

import re
from collections.abc import Sequence

from imagebuild.errors import UsageError
from imagebuild.publish.ec2.aws import known_regions
from imagebuild.recipe.nearest import did_you_mean


def check_regions(regions: Sequence[str]) -> None:
    """Raises UsageError when none is given, and for a name that is no region of any partition of AWS."""
    if not regions:
        raise UsageError("--region", "no region given: write --region us-east-1, or ec2.regions in the recipe")
    known = known_regions()
    for region in regions:
        if region not in known:
            raise UsageError("--region", f"there is no region {region!r}{_hint(region, known)}")


def _hint(region: str, known: Sequence[str]) -> str:
    lower = region.lower()
    if (zone := re.fullmatch(r"(.+\d)[a-z]", lower)) and zone[1] in known:
        return f"; that is an availability zone; did you mean {zone[1]!r}?"
    return did_you_mean(lower, known) or "; for a region that is newer than the installed boto3, upgrade boto3"
