"""`cache ls | prune | verify`: what is kept between builds, and what it costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from imagebuild.cli.options import AsJson, Debug
from imagebuild.cli.output import say_json, say_text
from imagebuild.errors import OK

if TYPE_CHECKING:
    from imagebuild.host.cache import Entry

cache = typer.Typer(
    help="See, shrink and check what is kept between builds (IMAGEBUILD_CACHE, or ~/.cache/imagebuild).",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@cache.command("ls", short_help="List what is kept.")
def list_entries(
    context: typer.Context,
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """List what is kept: when it was last wanted, its size, its kind and digest."""

    import json

    from imagebuild.cli.terminal import say
    from imagebuild.formats.text import size
    from imagebuild.host.cache import Cache
    from imagebuild.operations.cache import kinds_in_use

    store = Cache()
    entries = store.entries()
    if as_json:
        say_json(json.dumps([_facts(entry) for entry in entries], indent=2))
        return OK
    for entry in entries:
        say_text(f"{_used(entry)}  {size(entry.size_bytes):>9}  {entry.kind:<12} {entry.digest[:16]}")
    say_text()
    for use in kinds_in_use(store, entries):
        limit = f"; at most {use.about.limit}" if use.about.limit else ""
        say_text(
            f"{use.entries:>4}  {size(use.size_bytes):>9}  {use.name:<12} {use.about.what}; key: {use.about.key}{limit}"
        )
    total = sum(entry.size_bytes for entry in entries)
    say([[(f"{len(entries)} entries, {size(total)} in {store.root}", "bold")]])
    return OK


@cache.command(short_help="Remove what was not wanted for the longest time.")
def prune(
    context: typer.Context,
    max_size: Annotated[str, typer.Option("--max-size", metavar="SIZE", help="What may stay, such as 20GiB.")],
    debug: Debug = False,
) -> int:
    """Remove what was not wanted for the longest time, until the rest fits. What a build uses now stays.

    \b
    Examples:
      imagebuild cache prune --max-size 20GiB
      imagebuild cache prune --max-size 0
    """

    from imagebuild.formats.text import size
    from imagebuild.host.cache import Cache
    from imagebuild.operations.cache import prune_cache

    most = _parse_size(max_size)
    pruned = prune_cache(Cache(), most)
    for entry in pruned.removed:
        say_text(f"removed {entry.kind} {entry.digest[:16]}, {size(entry.size_bytes)}")
    say_text(f"{len(pruned.removed)} removed; {len(pruned.left)} entries, {size(pruned.left_bytes)} are left")
    if pruned.left_bytes > most:
        say_text("the rest is in use by other processes: run it again later")
    return OK


@cache.command(short_help="Check what is kept, byte by byte.")
def verify(
    context: typer.Context,
    remove: Annotated[bool, typer.Option("--remove", help="Remove what is damaged; it is made again.")] = False,
    debug: Debug = False,
) -> int:
    """Read every byte of what is kept and compare it with the digests noted when it was made."""

    from imagebuild.errors import BuildError
    from imagebuild.host.cache import Cache
    from imagebuild.operations.cache import check_cache

    total, bad = 0, []
    for checked in check_cache(Cache(), remove=remove):
        total += 1
        name = f"{checked.entry.kind} {checked.entry.digest[:16]}"
        say_text(f"{'damaged' if checked.damage else 'ok':<8} {name}")
        for line in checked.damage:
            say_text(f"         {line}")
        if checked.removed is not None:
            say_text("         removed" if checked.removed else "         in use by another process: not removed")
        elif checked.damage:
            bad.append(name)
    if bad:
        raise BuildError(
            f"{len(bad)} of {total} cache entries are damaged",
            details="\n".join(bad),
            resolution="run: imagebuild cache verify --remove; what is needed is made again",
        )
    return OK


def _parse_size(text: str) -> int:
    """`20GiB` in bytes. Raises RecipeError (exit code 2) for what is no size."""
    from pydantic import ByteSize, TypeAdapter, ValidationError

    from imagebuild.errors import UsageError

    try:
        return int(TypeAdapter(ByteSize).validate_python(text))
    except ValidationError:
        raise UsageError("--max-size", f"{text}: found no size: write 20GiB, 500MiB or 0") from None


def _used(entry: Entry) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(entry.used, tz=UTC).strftime("%Y-%m-%d %H:%M")


def _facts(entry: Entry) -> dict[str, object]:
    from datetime import UTC, datetime

    return {
        "kind": entry.kind,
        "digest": entry.digest,
        "path": str(entry.path),
        "size_bytes": entry.size_bytes,
        "used": datetime.fromtimestamp(entry.used, tz=UTC).isoformat(timespec="seconds"),
    }
