"""`cache ls | prune | verify`: the cache, and what it costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from imagebuild.cli.options import AsJson, Debug
from imagebuild.cli.output import say_json, say_text
from imagebuild.cli.plain_help import PlainGroup, PlainVerb
from imagebuild.errors import OK

if TYPE_CHECKING:
    from imagebuild.host.cache import Entry

cache = typer.Typer(
    cls=PlainGroup,
    help="See, shrink and check the cache (IMAGEBUILD_CACHE, or ~/.cache/imagebuild).",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@cache.command("ls", cls=PlainVerb, short_help="List the cache.")
def list_entries(
    context: typer.Context,
    each: Annotated[bool, typer.Option("--entries", help="List each entry, least recently used first.")] = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """List the cache by kind: how many entries, their size, when one was last used; --entries lists each entry.

    The whole cache keeps to a limit: 20GiB, or IMAGEBUILD_CACHE_LIMIT. A build above it removes the least recently used
    entries at its end, and says so.
    """

    import json

    from imagebuild.cli.terminal import say
    from imagebuild.formats.text import size
    from imagebuild.host.cache import Cache
    from imagebuild.operations.cache import kinds_in_use, limit_bytes

    store = Cache()
    entries = store.entries()
    if as_json:
        say_json(json.dumps([_facts(entry) for entry in entries], indent=2))
        return OK
    if each:
        for entry in entries:
            say_text(f"{_used(entry.used)}  {size(entry.size_bytes):>9}  {entry.kind:<13} {entry.digest[:16]}")
        say_text()
    for use in sorted(kinds_in_use(store, entries), key=lambda use: -use.size_bytes):
        limit = f" (at most {use.about.limit})" if use.about.limit else ""
        say_text(
            f"{use.entries:>4}  {size(use.size_bytes):>9}  {_used(use.used)}  {use.name:<13} {use.about.what}{limit}"
        )
    total = sum(entry.size_bytes for entry in entries)
    say([[(f"{len(entries)} entries, {size(total)} of at most {size(limit_bytes())}, in {store.root}", "bold")]])
    return OK


@cache.command(cls=PlainVerb, short_help="Remove the least recently used entries.")
def prune(
    context: typer.Context,
    max_size: Annotated[str, typer.Option("--max-size", metavar="SIZE", help="Keep at most this much, such as 20GiB.")],
    debug: Debug = False,
) -> int:
    """Remove the least recently used entries until the rest fits. Entries that a build is using stay.

    \b
    Examples:
      imagebuild cache prune --max-size 20GiB
      imagebuild cache prune --max-size 0
    """

    from imagebuild.formats.text import size
    from imagebuild.host.cache import Cache
    from imagebuild.operations.cache import parse_size, prune_cache

    most = parse_size("--max-size", max_size)
    pruned = prune_cache(Cache(), most)
    for entry in pruned.removed:
        say_text(f"removed {entry.kind} {entry.digest[:16]}, {size(entry.size_bytes)}")
    say_text(f"{len(pruned.removed)} removed; {len(pruned.left)} entries left, {size(pruned.left_bytes)}")
    if pruned.left_bytes > most:
        say_text("other processes use the rest: run this again later")
    return OK


@cache.command(cls=PlainVerb, short_help="Check the cache, byte by byte.")
def verify(
    context: typer.Context,
    remove: Annotated[bool, typer.Option("--remove", help="Remove damaged entries; builds make them again.")] = False,
    debug: Debug = False,
) -> int:
    """Read every byte of the cache and compare it with the digests recorded when it was written."""

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
            resolution="run: imagebuild cache verify --remove (the next build makes what it needs again)",
        )
    return OK


def trim_cache() -> None:
    """At the end of a run that a user started: keep the cache within its limit, and say what was removed."""
    import sys

    from imagebuild.cli.terminal import event_stream
    from imagebuild.formats.text import size
    from imagebuild.host.cache import Cache
    from imagebuild.operations.cache import LIMIT_VARIABLE, keep_within_limit, limit_bytes

    if event_stream() is None and (pruned := keep_within_limit(Cache())):
        freed = sum(entry.size_bytes for entry in pruned.removed)
        say_text(
            f"cache: removed the {len(pruned.removed)} least recently used entries, {size(freed)} "
            f"(limit {size(limit_bytes())}; {LIMIT_VARIABLE})",
            stream=sys.stderr,
        )


def _used(moment: float) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(moment, tz=UTC).strftime("%Y-%m-%d %H:%M") if moment else f"{'never':<16}"


def _facts(entry: Entry) -> dict[str, object]:
    from datetime import UTC, datetime

    return {
        "kind": entry.kind,
        "digest": entry.digest,
        "path": str(entry.path),
        "size_bytes": entry.size_bytes,
        "used": datetime.fromtimestamp(entry.used, tz=UTC).isoformat(timespec="seconds"),
    }
