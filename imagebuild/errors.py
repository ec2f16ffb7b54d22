"""Every error that a user can meet, and its exit code.

    ImagebuildError            1  internal error (only ever seen through a subclass)
    ├── RecipeError            2  the recipe is wrong; carries every Problem at once
    ├── PlanError              3  the recipe is well formed, but cannot be made
    ├── HostError              4  this machine lacks something, to build or to verify; says what to install
    ├── BuildError             5  a step of the build failed
    ├── VerifyError            6  the image could not be verified (it may be good)
    ├── PublishError           7  bundling, uploading or registering failed
    └── Interrupted          130  Ctrl-C or SIGTERM

    RecipeError has one subclass: UsageError, for the command line.

A bad image is no exception: it is a verdict (exit code 10, `BAD_IMAGE`). Neither is a difference (11, `DIFFERENT`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

OK = 0
INTERNAL = 1
BAD_IMAGE = 10
DIFFERENT = 11
EXIT_CODES: Mapping[int, str] = {
    OK: "done; verified, if verification was requested",
    INTERNAL: "internal error (please report it)",
    2: "the command line or the recipe is wrong",
    3: "the recipe is impossible, or the boot loader could not boot it",
    4: "this machine lacks something; the message says what to install",
    5: "a step of the build failed",
    6: "the image could not be verified (it may be good)",
    7: "bundling, uploading or registering failed (safe to run again)",
    BAD_IMAGE: "the image was verified, and it is bad",
    DIFFERENT: "`diff --exit-code`: the images differ",
    130: "interrupted by Ctrl-C or SIGTERM",
}
"""What --help, the man page and the reference say of each."""


class ImagebuildError(Exception):
    """What went wrong in three parts: `brief` (one line), `details` (evidence), `resolution` (what to do)."""

    exit_code = INTERNAL

    def __init__(self, brief: str, *, details: str = "", resolution: str = "") -> None:
        super().__init__(brief)
        self.brief = brief
        self.details = details
        self.resolution = resolution


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One mistake in a recipe: where it stands, and what was found, what is allowed, what to do.

    `line` and `column` count from 1; 0 means that the file as a whole is meant.
    """

    file: str
    line: int
    column: int
    key: str
    message: str

    @property
    def place(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file

    def __str__(self) -> str:
        return ": ".join(part for part in (self.place, self.key, self.message) if part)


class RecipeError(ImagebuildError):
    """One or several recipes hold mistakes. `problems` is sorted by place and never empty."""

    exit_code = 2

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = sorted(problems)
        count = len(self.problems)
        super().__init__(f"{count} problem{'s' if count != 1 else ''} in the recipe")


class UsageError(RecipeError):
    """The command line is wrong: `what` is the option or file, `message` what was found and what to write."""

    def __init__(self, what: str, message: str) -> None:
        super().__init__([Problem(what, 0, 0, "", message)])


class PlanError(ImagebuildError):
    """The recipe is well formed but asks for what cannot be made, or what the boot loader cannot boot.

    `key` is the recipe's that asks for it ("disk.partitions.0.size"; empty: the recipe as a whole), `place` where that
    stands (file:line:column), once somebody has looked it up. `brief` is all of them as one line. `others`: more
    refusals of the same recipe, each complete in itself.
    """

    exit_code = 3

    def __init__(
        self,
        key: str,
        message: str,
        *,
        details: str = "",
        resolution: str = "",
        others: tuple[PlanError, ...] = (),
        place: str = "",
    ) -> None:
        brief = ": ".join(part for part in (place, key, message) if part)
        super().__init__(brief, details=details, resolution=resolution)
        self.key = key
        self.message = message
        self.others = others
        self.place = place


class HostError(ImagebuildError):
    """This machine lacks a program, a library or a permission. `resolution` names the package to install."""

    exit_code = 4


class BuildError(ImagebuildError):
    """A step of the build failed; `details` holds the last lines of the tool that failed."""

    exit_code = 5


class VerifyError(ImagebuildError):
    """The verification itself could not be carried out: nothing is said about the image."""

    exit_code = 6


class PublishError(ImagebuildError):
    """Bundling, uploading or registering failed; safe to run again."""

    exit_code = 7


class Interrupted(ImagebuildError):  # noqa: N818 (the shell's word for it)
    """The user (Ctrl-C) or the machine (SIGTERM) asked to stop."""

    exit_code = 130
