"""What happened, as data.

`report.json` is `Report` as JSON; its fields are the contract with pipelines, so they change only by addition.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict

from imagebuild.vocabulary import MachineName, StarterKind

MOST_REPORT_BYTES = 64 * 2**20
"""No file of an output directory that is read back is larger."""


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Outcome(StrEnum):
    """What one check found. Only `failed` makes an image bad; a skipped check says why in its detail."""

    PASSED = "passed"
    FAILED = "failed"
    WARNED = "warned"
    SKIPPED = "skipped"


class Verdict(StrEnum):
    """What was proven about an image: only a boot makes it `passed` (docs/decisions/0022)."""

    PASSED = "passed"  # booted
    CHECKED = "checked-not-booted"  # read back and found right; no boot has proven it
    FAILED = "failed"
    UNVERIFIED = "unverified"


VERDICT_WORDS: Mapping[Verdict, str] = {
    Verdict.PASSED: "passed",
    Verdict.CHECKED: "checked, not booted",
    Verdict.FAILED: "failed: this image is bad",
    Verdict.UNVERIFIED: "unverified",
}
"""What users read of each, everywhere."""
BOOT_CHECK = "boot"
"""The name of the check that a machine makes of its boot."""


class Check(_Data):
    """One statement about the image, with its evidence in `detail`. `seconds` is the time it took."""

    machine: MachineName
    name: str
    outcome: Outcome
    detail: str
    seconds: float = 0.0


class Milestone(_Data):
    """A stage that a boot reached, `seconds` after the machine was started."""

    name: str
    seconds: float


class BootEnd(StrEnum):
    """How a boot ended. Each is its own outcome: only the first is a pass, and only FATAL blames the image at once."""

    REACHED = "reached"  # the expected text was seen
    FATAL = "fatal"  # a line that no boot recovers from was seen
    TIMEOUT = "timeout"  # nothing decisive within the limit
    CLOSED = "closed"  # the machine ended (end of file on its console)


class Loader(_Data):
    """Which boot loader gave a verdict. `kind`: direct is QEMU's own -kernel."""

    kind: StarterKind
    version: str
    sha256: str | None = None


class Boot(_Data):
    """One boot. `console` is the file name of the console log, relative to the report.

    `proves`: `default` for the image as it is, `fallback` for a boot with the default entry's kernel broken.
    """

    machine: MachineName
    proves: Literal["default", "fallback"] = "default"
    end: BootEnd
    milestones: tuple[Milestone, ...]
    console: str
    loader: Loader
    seconds: float
    detail: str = ""


class Stage(_Data):
    """One stage of the build or of the verification, as the user sees it pass by."""

    name: str
    seconds: float
    cached: bool = False


class ImageFacts(_Data):
    """`size_bytes` is what the guest sees, `real_bytes` what the sparse file occupies.

    In report.json, `path` counts from the report's folder when the image lies there; else it is absolute.
    """

    path: str
    sha256: str
    size_bytes: int
    real_bytes: int


class PackageUpdate(_Data):
    """One package in another version than before. `before` empty: added, `after` empty: removed.

    `releases`: the code names of the archive's releases that hold the new one (bookworm-security); empty: not known.
    """

    name: str
    before: str
    after: str
    releases: tuple[str, ...] = ()

    def __str__(self) -> str:
        where = f" ({', '.join(self.releases)})" if self.releases else ""
        return f"{self.name} {self.before or 'added'} → {self.after or 'removed'}{where}"


class PackageNews(_Data):
    """How new an image's packages are. `as_of`: the archive's state that they are of (ISO 8601, UTC; empty: unknown).

    `asked`: the archive was asked for updates in this run; `because`: why it did not answer, then `as_of` is older.
    `updated`: what is in another version than in the image that was there before.
    """

    as_of: str = ""
    count: int = 0
    asked: bool = False
    because: str = ""
    updated: tuple[PackageUpdate, ...] = ()


class Report(_Data):
    """`unverified_because`: why less than a boot was proven; empty where the verdict is passed or failed. `remedy`: the
    command that may prove more; empty where there is none.

    `verify_asked` False: nobody asked for a verdict. `boot_asked` False: nobody asked for a boot (`--with static`, or
    `verify: {boot: false}` in the recipe).

    `build_seconds`: the stages that made the image, without those of its verification (0: not built, or not known).

    `cached`: the same bytes were judged before, at `verified_at` (ISO 8601, UTC), and that verdict stands.

    `packages`: how new they are; None: not built here.
    """

    name: str
    verdict: Verdict
    image: ImageFacts
    stages: tuple[Stage, ...] = ()
    checks: tuple[Check, ...] = ()
    boots: tuple[Boot, ...] = ()
    recipe_digest: str | None = None
    plan_digest: str | None = None
    inputs_digest: str | None = None
    imagebuild_version: str = ""
    unverified_because: str = ""
    remedy: str = ""
    verify_asked: bool = True
    boot_asked: bool = True
    build_seconds: float = 0.0
    cached: bool = False
    verified_at: str = ""
    packages: PackageNews | None = None

    @property
    def booted(self) -> bool:
        """Whether a boot has proven it. A report of an earlier version may say `passed` without one."""
        return self.verdict is Verdict.PASSED and any(
            boot.end is BootEnd.REACHED and boot.proves == "default" for boot in self.boots
        )

    @property
    def as_asked(self) -> bool:
        """Whether nothing less was proven than was asked for."""
        match self.verdict:
            case Verdict.PASSED:
                return True
            case Verdict.CHECKED:
                return not self.boot_asked
            case Verdict.UNVERIFIED:
                return not self.verify_asked
            case Verdict.FAILED:
                return False

    def failed(self) -> tuple[Check, ...]:
        return tuple(check for check in self.checks if check.outcome is Outcome.FAILED)


def verdict_of(checks: tuple[Check, ...]) -> Verdict:
    """Failed if any check failed; passed if a boot did; unverified if nothing passed (a wholly skipped run proves
    nothing)."""
    outcomes = {check.outcome for check in checks}
    if Outcome.FAILED in outcomes:
        return Verdict.FAILED
    if any(check.name == BOOT_CHECK and check.outcome is Outcome.PASSED for check in checks):
        return Verdict.PASSED
    return Verdict.CHECKED if Outcome.PASSED in outcomes else Verdict.UNVERIFIED
