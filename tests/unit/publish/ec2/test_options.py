"""The options of `publish` are the fields of what is published: none is lost on the way."""

from __future__ import annotations

import contextlib
import inspect
import io
from dataclasses import fields
from pathlib import Path

import pytest

from imagebuild.cli.commands.publish import publish
from imagebuild.cli.run import run
from imagebuild.operations.publish import PublishRequest
from imagebuild.publish.ec2 import aki
from imagebuild.publish.ec2.plan import Publication
from imagebuild.publish.ec2.regions import check_regions

OUR_OWN = {"context", "as_json", "debug"}  # the command line's
COMPUTED = {"stem"}  # from the recipe's or the image's name
CARRIER = {"options"}


def test_every_field_has_its_option() -> None:
    options = set(inspect.signature(publish).parameters) - OUR_OWN
    wanted = {field.name for field in fields(Publication)} - COMPUTED
    assert options == wanted | {field.name for field in fields(PublishRequest)} - CARRIER


@pytest.mark.parametrize(
    ("regions", "said"),
    [
        ((), "no region given: write --region us-east-1"),
        (("us-east-1a",), "that is an availability zone; did you mean 'us-east-1'?"),
        (("US-EAST-1",), "there is no region 'US-EAST-1'; did you mean 'us-east-1'?"),
        (("eu-west-1", "eu-wets-1"), "there is no region 'eu-wets-1'; did you mean 'eu-west-1'?"),
        (("mars-9",), "upgrade boto3"),
    ],
)
def test_a_region_is_checked_before_anything_is_read(regions: tuple[str, ...], said: str, tmp_path: Path) -> None:
    argv = ["publish", str(tmp_path / "nothing.raw"), *(word for region in regions for word in ("--region", region))]
    err = io.StringIO()
    with contextlib.redirect_stderr(err):
        assert run(argv) == 2
    assert said in err.getvalue()


def test_every_region_of_our_table_is_one() -> None:
    check_regions(aki.regions())
