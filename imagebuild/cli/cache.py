"""`cache ls | prune | verify`: what is kept between builds, and what it costs."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from imagebuild.cli.terminal import say
from imagebuild.errors import OK, BuildError, Problem, RecipeError
from imagebuild.formats.text import size
from imagebuild.host.cache import Cache, Entry, damage

# What each kind of entry is, in a user's words.
KINDS = {
    "acceleration": "whether KVM works here",
    "bundles": "EC2 bundles on their way",
    "pv-grub": "genuine PV-GRUB",
    "dom0-state": "a booted dom0",
    "essentials": "essential packages, installed",
    "packages": "packages' files",
    "laid": "filesystems, laid but not finished",
    "testhost": "the Xen test host",
    "trees": "root trees",
    "verdicts": "verdicts of images",
}


def list_entries(*, as_json: bool) -> int:
    """One line for each entry, the one not wanted for the longest time first."""
    cache = Cache()
    entries = cache.entries()
    if as_json:
        print(json.dumps([_facts(entry) for entry in entries], indent=2))
        return OK
    for entry in entries:
        print(f"{_used(entry)}  {size(entry.size_bytes):>9}  {entry.kind:<12} {entry.digest[:16]}  {_words(entry)}")
    total = sum(entry.size_bytes for entry in entries)
    say([[(f"{len(entries)} entries, {size(total)} in {cache.root}", "bold")]])
    return OK


def prune_entries(max_size_bytes: int) -> int:
    """Remove what was not wanted for the longest time until the rest fits."""
    cache = Cache()
    removed = cache.prune(max_size_bytes)
    for entry in removed:
        print(f"removed {entry.kind} {entry.digest[:16]}, {size(entry.size_bytes)}")
    left = cache.entries()
    total = sum(entry.size_bytes for entry in left)
    print(f"{len(removed)} removed; {len(left)} entries, {size(total)} are left")
    if total > max_size_bytes:
        print("the rest is in use by other processes: run it again later")
    return OK


def verify_entries(*, remove: bool) -> int:
    """Read every byte of every entry. Raises BuildError when one is damaged (and was not to be removed)."""
    cache = Cache()
    bad: list[str] = []
    entries = cache.entries()
    for entry in entries:
        lines = damage(entry)
        print(f"{'damaged' if lines else 'ok':<8} {entry.kind} {entry.digest[:16]}")
        for line in lines:
            print(f"         {line}")
        if lines and remove:
            print("         removed" if cache.remove(entry) else "         in use by another process: not removed")
        elif lines:
            bad.append(f"{entry.kind} {entry.digest[:16]}")
    if bad:
        raise BuildError(
            f"{len(bad)} of {len(entries)} cache entries are damaged",
            details="\n".join(bad),
            resolution="run: imagebuild cache verify --remove; what is needed is made again",
        )
    return OK


def parse_size(text: str) -> int:
    """`20GiB` in bytes. Raises RecipeError (exit code 2) for what is no size."""
    from pydantic import ByteSize, TypeAdapter, ValidationError

    try:
        return int(TypeAdapter(ByteSize).validate_python(text))
    except ValidationError:
        raise RecipeError([Problem("--max-size", 0, 0, text, "found no size: write 20GiB, 500MiB or 0")]) from None


def _used(entry: Entry) -> str:
    return datetime.fromtimestamp(entry.used, tz=UTC).strftime("%Y-%m-%d %H:%M")


def _words(entry: Entry) -> str:
    return KINDS.get(entry.kind, "")


def _facts(entry: Entry) -> dict[str, object]:
    return {
        "kind": entry.kind,
        "digest": entry.digest,
        "path": str(entry.path),
        "size_bytes": entry.size_bytes,
        "used": datetime.fromtimestamp(entry.used, tz=UTC).isoformat(timespec="seconds"),
    }
