"""What is to run in a tree, and how it ended."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

Limit = Literal["time", "memory", "processes"]
# Where a script that stands beside the recipe is found inside.
SCRIPTS = "/run/imagebuild"


class Limits(BaseModel):
    """What all processes inside may use together."""

    model_config = ConfigDict(frozen=True)

    seconds: float
    memory_bytes: int
    processes: int


class Program(BaseModel):
    """A program of the tree, or a script of the recipe, with its arguments.

    `tree`: the directory that becomes its root. `script`: a file of this machine that is put below SCRIPTS for it.
    `environment`: all of it but for what every program gets. `network`: this machine's, instead of none.
    """

    model_config = ConfigDict(frozen=True)

    tree: Path
    argv: tuple[str, ...]
    environment: dict[str, str]
    limits: Limits
    hostname: str = "localhost"
    network: bool = False
    script: Path | None = None


class Result(BaseModel):
    """How it ended: `exit_code` as a shell gives it (128 and the signal's number); None: it was not started.

    `limit`: the one that ended it. `trouble`: why the fence could not be made.
    """

    model_config = ConfigDict(frozen=True)

    exit_code: int | None = None
    limit: Limit | None = None
    trouble: str = ""
