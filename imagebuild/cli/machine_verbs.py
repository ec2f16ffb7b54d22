"""The verbs about this machine and the language: doctor, schema. Options only; the work is in the modules of their
names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from imagebuild.cli.options import AsJson, Debug, PvGrub

Do = Callable[..., None]


def add_machine_verbs(app: typer.Typer, do: Do) -> None:
    """Register them; `do` keeps the work until the parser has ended."""
    _add_doctor(app, do)
    _add_schema(app, do)


def _add_doctor(app: typer.Typer, do: Do) -> None:
    @app.command(short_help="Say what this machine can do, and what to install.")
    def doctor(
        context: typer.Context,
        prepare: Annotated[
            bool, typer.Option("--prepare", help="Build the Xen test host now (once; it is kept in the cache).")
        ] = False,
        as_json: AsJson = False,
        pv_grub: PvGrub = None,
        debug: Debug = False,
    ) -> None:
        """Say what this machine can do, and which Debian package to install for what it lacks.

        Things are tried, not assumed: KVM runs a guest, the appliance is launched. Exit code 0: images can be built
        and verified here; 4: something needed is lacking.

        \b
        Examples:
          imagebuild doctor
          imagebuild doctor --prepare
          imagebuild doctor --json | jq '.capabilities[] | select(.state == "lacking")'
        """

        def work() -> int:
            from imagebuild.cli.doctor import show_capabilities

            return show_capabilities(prepare=prepare, as_json=as_json, pv_grub=pv_grub)

        do(context, work, debug=debug)


def _add_schema(app: typer.Typer, do: Do) -> None:
    @app.command(short_help="Print the JSON Schema of recipes, for editors.")
    def schema(context: typer.Context) -> None:
        """Print the JSON Schema of recipes: with it, editors complete and check while you type.

        \b
        Examples:
          imagebuild schema > recipe.schema.json
          sed -i '1i # yaml-language-server: $schema=recipe.schema.json' web.yaml
        """

        def work() -> int:
            import json

            from imagebuild.recipe.schema import json_schema

            print(json.dumps(json_schema(), indent=2, ensure_ascii=False))
            return 0

        do(context, work)
