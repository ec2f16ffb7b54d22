"""What a night is, as data: tasks go to the workers, results come back, nights are kept (nights/NUMBER.json)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from imagebuild.operations.jobs import BuildRequest
from imagebuild.operations.judge import LoaderDemand
from imagebuild.operations.recipes import parse_settings
from imagebuild.report import PackageNews, Report, Verdict
from imagebuild.vocabulary import MachineName


class State(StrEnum):
    """How a recipe came out of a night."""

    PASSED = "passed"  # built and booted
    CHECKED = "checked-not-booted"  # built, or still as it was built, and read back; no boot has proven it
    NOT_VERIFIED = "not-verified"  # built, or still as it was built; no verification was asked for (--no-verify)
    UNCHANGED = "unchanged"  # not built: what is there is still right
    FAILED = "failed"  # built, verified, and bad
    UNVERIFIED = "unverified"  # built, and could not be verified
    BROKEN = "broken"  # not built
    LOST = "lost"  # never came back: the scheduler or too many workers went away, or the night was interrupted


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")  # a night kept by a later version is still read


class Result(_Data):
    """One recipe in one night. `seconds` counts all attempts; `message` is why it did not pass, or was not built.

    `build_seconds` is the build's stages, `boot_seconds` each boot's by machine. `worker` is the machine's name.
    `inputs_sha256`: of all that the recipe is made from (inputs.py). `packages`: how new they are; `updated` since the
    last night. `links`: files of the result by what they are (report, image, a console), from the summary's directory.
    """

    name: str
    recipe: str
    state: State
    exit_code: int
    message: str = ""
    seconds: float = 0.0
    attempts: int = 0
    worker: str = ""
    image: str = ""
    image_sha256: str = ""
    size_bytes: int = 0
    real_bytes: int = 0
    build_seconds: float = 0.0
    boot_seconds: dict[str, float] = {}
    plan_digest: str = ""
    inputs_sha256: str = ""
    packages: PackageNews | None = None
    links: dict[str, str] = {}


class Night(_Data):
    """One night. `number` counts up whatever the clock says; `begun` is the clock's word, in UTC (ISO 8601).

    `notes` are what a person should know: a damaged cache entry, a full disk, a clock that was set back.
    """

    number: int
    begun: str
    seconds: float
    results: tuple[Result, ...]
    notes: tuple[str, ...] = ()
    imagebuild_version: str = ""

    @property
    def exit_code(self) -> int:
        return max((result.exit_code for result in self.results), default=0)


@dataclass(frozen=True, slots=True)
class Limits:
    """`stage_seconds`: what no stage may take longer. `attempts`: how often the network may fail, and one more.

    `pause_seconds` before the second attempt; each further one waits twice as long.
    """

    stage_seconds: float = 3600
    attempts: int = 3
    pause_seconds: float = 30


@dataclass(frozen=True, slots=True)
class Options:
    """What is asked of every recipe. `machines` None: all that each recipe has; empty: no verification.

    `settings`: NAME=VALUE. `update`: newer packages in the archive are a reason to build. `program` starts imagebuild;
    empty: each worker's own. `pv_grub` and `sign_key` are files of the worker.
    """

    machines: tuple[MachineName, ...] | None = None
    settings: tuple[str, ...] = ()
    limits: Limits = Limits()
    program: tuple[str, ...] = ()
    locked: bool = False
    update: bool = False
    pv_grub: Path | None = None
    demand: LoaderDemand = None
    sign_key: Path | None = None

    def build_request(self, recipe: Path, output: Path) -> BuildRequest:
        """What `imagebuild build` is asked for one recipe."""
        return BuildRequest(
            recipes=(recipe,),
            output=output,
            settings=parse_settings(self.settings),
            machines=self.machines or None,
            verify=self.machines != (),
            locked=self.locked,
            update=self.update,
            pv_grub=self.pv_grub,
            demand=self.demand,
            sign_key=self.sign_key,
        )


@dataclass(frozen=True, slots=True)
class Task:
    """One recipe to build. `recipe` and `output` are paths on the worker; `store` is set where they travel (work.py).

    `bundle` is the recipe with its files in the store, and then `recipe` is its path in there. `needs` are the
    resources that the worker must offer; `tree_digest` names the root tree in the cache.
    """

    name: str
    recipe: str
    options: Options
    output: str
    inputs_sha256: str
    store: str = ""
    bundle: str = ""
    tree_digest: str = ""
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Done:
    """What a worker brings back: the result, the report (None: not built), where in the store it was laid and which
    files that are (size and sha256 by name), and what a person should know."""

    result: Result
    report: Report | None = None
    stored: str = ""
    files: dict[str, tuple[int, str]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


STATE_OF_VERDICT = {
    Verdict.PASSED: State.PASSED,
    Verdict.CHECKED: State.CHECKED,
    Verdict.FAILED: State.FAILED,
    Verdict.UNVERIFIED: State.UNVERIFIED,
}
