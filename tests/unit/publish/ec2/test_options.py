"""The options of `publish` are the fields of what is published: none is lost on the way."""

from __future__ import annotations

import inspect
from dataclasses import fields

from imagebuild.cli.commands.publish import publish
from imagebuild.operations.publish import PublishRequest
from imagebuild.publish.ec2.plan import Publication

OUR_OWN = {"context", "as_json", "debug"}  # the command line's
COMPUTED = {"stem"}  # from the recipe's or the image's name
CARRIER = {"options"}


def test_every_field_has_its_option() -> None:
    options = set(inspect.signature(publish).parameters) - OUR_OWN
    wanted = {field.name for field in fields(Publication)} - COMPUTED
    assert options == wanted | {field.name for field in fields(PublishRequest)} - CARRIER
