"""The verbs `cache ls | prune | verify`: their options; cache.py does the work."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

Do = Callable[..., None]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error too.")]


def add_cache_verbs(app: typer.Typer, do: Do) -> None:
    """Put the verbs below `imagebuild cache`."""
    cache = typer.Typer(
        help="See, shrink and check what is kept between builds (IMAGEBUILD_CACHE, or ~/.cache/imagebuild).",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    app.add_typer(cache, name="cache", short_help="See, shrink and check what is kept between builds.")

    @cache.command("ls", short_help="List what is kept.")
    def list_(
        context: typer.Context,
        as_json: Annotated[bool, typer.Option("--json", help="JSON on stdout, for programs.")] = False,
        debug: Debug = False,
    ) -> None:
        """List what is kept: when it was last wanted, its size, its kind and digest."""

        def work() -> int:
            from imagebuild.cli.cache import list_entries

            return list_entries(as_json=as_json)

        do(context, work, debug=debug)

    @cache.command(short_help="Remove what was not wanted for the longest time.")
    def prune(
        context: typer.Context,
        max_size: Annotated[str, typer.Option("--max-size", metavar="SIZE", help="What may stay, such as 20GiB.")],
        debug: Debug = False,
    ) -> None:
        """Remove what was not wanted for the longest time, until the rest fits. What a build uses now stays.

        \b
        Examples:
          imagebuild cache prune --max-size 20GiB
          imagebuild cache prune --max-size 0
        """

        def work() -> int:
            from imagebuild.cli.cache import parse_size, prune_entries

            return prune_entries(parse_size(max_size))

        do(context, work, debug=debug)

    @cache.command(short_help="Check what is kept, byte by byte.")
    def verify(
        context: typer.Context,
        remove: Annotated[bool, typer.Option("--remove", help="Remove what is damaged; it is made again.")] = False,
        debug: Debug = False,
    ) -> None:
        """Read every byte of what is kept and compare it with the digests noted when it was made."""

        def work() -> int:
            from imagebuild.cli.cache import verify_entries

            return verify_entries(remove=remove)

        do(context, work, debug=debug)
