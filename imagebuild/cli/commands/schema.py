"""`schema`: the JSON Schema of recipes."""

from __future__ import annotations

from imagebuild.cli.output import say_json
from imagebuild.errors import OK


def schema() -> int:
    """Print the JSON Schema of recipes, with which an editor completes keys and checks values while you type.

    \b
    Examples:
      imagebuild schema > recipe.schema.json
      sed -i '1i # yaml-language-server: $schema=recipe.schema.json' web.yaml
    """

    import json

    from imagebuild.recipe.schema import json_schema

    say_json(json.dumps(json_schema(), indent=2, ensure_ascii=False))
    return OK
