"""The nights that were: URL/nights/NUMBER.json. They are ordered by number, because a clock may be set back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pydantic import ValidationError

from imagebuild.nightly.model import Night, Result
from imagebuild.nightly.store import Store

FOLDER = "nights"
KEPT = 90
# What a clock may differ from the time that has really passed before it is worth a word (NTP slews by less).
_CLOCK_TOLERANCE = timedelta(minutes=2)


def file_name(number: int) -> str:
    return f"{FOLDER}/{number:06d}.json"


def read_nights(store: Store, most: int = KEPT) -> tuple[list[Night], list[str]]:
    """The last nights, the oldest first; and a note for each that cannot be read (it stays where it is)."""
    nights, notes = [], []
    # what lies deeper are the results of earlier nights (earlier_results.py)
    for name in [name for name in store.names(FOLDER) if name.endswith(".json") and name.count("/") == 1][-most:]:
        try:
            nights.append(Night.model_validate_json(store.read(name) or b""))
        except ValidationError:
            notes.append(f"{name} cannot be read; the summary omits it")
    return sorted(nights, key=lambda night: night.number), notes


def next_number(store: Store) -> int:
    """One more than any that is there, readable or not: a night never takes another's place."""
    numbers = [name.rpartition("/")[2].removesuffix(".json") for name in store.names(FOLDER)]
    return max((int(number) for number in numbers if number.isdigit()), default=0) + 1


def keep(store: Store, night: Night) -> None:
    store.write(file_name(night.number), night.model_dump_json(indent=1).encode())


def latest(nights: list[Night], name: str) -> Result | None:
    """The last night's word about a recipe of which something is published."""
    for night in reversed(nights):
        for result in night.results:
            if result.name == name and result.image_sha256:
                return result
    return None


def clock_note(nights: list[Night], now: datetime) -> str:
    """A line when this night seems to begin before an earlier one; else an empty text."""
    begun = [stamp for night in nights if (stamp := parse(night.begun))]
    if not begun or now >= max(begun) - _CLOCK_TOLERANCE:
        return ""
    return (
        f"the clock was set back: it says {text(now)}, but an earlier run started at {text(max(begun))}; "
        "runs are ordered by number"
    )


def jump_note(began: datetime, ended: datetime, passed_seconds: float) -> str:
    """A line when the clock was changed during the night; else an empty text."""
    jump = (ended - began) - timedelta(seconds=passed_seconds)
    if abs(jump) <= _CLOCK_TOLERANCE:
        return ""
    direction = "back" if jump < timedelta() else "forward"
    return f"the clock was set {direction} by {abs(jump)} during the run; durations are not affected"


def parse(stamp: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(stamp)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
