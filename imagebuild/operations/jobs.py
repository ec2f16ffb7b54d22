"""What a build is asked for, and what it is going to do: every recipe read, planned and its passwords found."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from imagebuild.errors import ImagebuildError, RecipeError
from imagebuild.operations.judge import LoaderDemand
from imagebuild.operations.recipes import named, preliminary_plan
from imagebuild.operations.toolbox import Load
from imagebuild.plan.secret_files import secret_texts
from imagebuild.recipe.named_file import read_named
from imagebuild.vocabulary import BOOTING, MACHINES, MachineName

if TYPE_CHECKING:
    from imagebuild.recipe.load import LoadedRecipe
    from imagebuild.recipe.model import Password

# A crypt(5) hash has some hundred bytes; a larger file is another file.
_SECRET_BYTES = 4096


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """What `build` is asked for; child.py makes a command line of it again.

    `machines`: those that verify; None: all that each recipe has. `verify` False: none. `jobs`: recipes side by side;
    0: as cores and memory allow. `force`: build even where an unchanged result is there. `update`:
    ask the archive for newer packages first. `debug`: tracebacks.
    """

    recipes: tuple[Path, ...]
    output: Path
    settings: Mapping[str, str]
    machines: tuple[MachineName, ...] | None = None
    verify: bool = True
    force: bool = False
    update: bool = False
    keep_going: bool = False
    locked: bool = False
    pv_grub: Path | None = None
    demand: LoaderDemand = None
    sign_key: Path | None = None
    jobs: int = 0
    debug: bool = False


@dataclass(frozen=True, slots=True)
class Job:
    """One image to make. `machines` are those that verify it; empty: none. `secrets` holds hashes: never shown."""

    loaded: LoadedRecipe
    machines: tuple[MachineName, ...]
    secrets: Mapping[str, str] = field(repr=False)

    @property
    def name(self) -> str:
        return self.loaded.recipe.name

    @property
    def is_private(self) -> bool:
        """Whether the image holds a password's hash, or a text of the recipe that others are not to read."""
        return bool(self.secrets or secret_texts(self.loaded.recipe))


@dataclass(frozen=True, slots=True)
class Prepared:
    """A job for each recipe that is right, and each that is not with its error."""

    jobs: tuple[Job, ...]
    refused: tuple[tuple[Path, ImagebuildError], ...]


def prepare_jobs(
    paths: Sequence[Path], settings: Mapping[str, str], machines: tuple[MachineName, ...] | None, load: Load
) -> Prepared:
    """Read and plan each recipe, so that what no loader can boot is refused now, not after the download."""
    jobs: list[Job] = []
    refused: list[tuple[Path, ImagebuildError]] = []
    for path in paths:
        try:
            job = _prepare(load(path, settings), machines)
            _check_name(job, jobs)
            jobs.append(job)
        except ImagebuildError as error:
            refused.append((path, named(error, path)))
    return Prepared(tuple(jobs), tuple(refused))


def _prepare(loaded: LoadedRecipe, machines: tuple[MachineName, ...] | None) -> Job:
    from imagebuild.assemble.this_machine import check_machine
    from imagebuild.plan.accounts import passwords

    check_machine(preliminary_plan(loaded))
    secrets = {item.secret: find_hash(item.password, item.key, loaded) for item in passwords(loaded.recipe)}
    return Job(loaded, _machines(loaded, machines), secrets)


def _check_name(job: Job, others: Sequence[Job]) -> None:
    for other in others:
        if other.name == job.name:
            message = (
                f"found {job.name}, the name that {other.loaded.path} has as well: both would write the same output"
            )
            raise _mistake(job.loaded, "name", f"{message}; give each recipe its own name")


def machines_of(loaded: LoadedRecipe, wanted: tuple[MachineName, ...] | None) -> tuple[MachineName, ...]:
    """The machines that verify the recipe's image: those wanted (None: all), as far as the recipe has them."""
    from imagebuild.bootloaders.modes import MODES, has_own_code

    modes = loaded.recipe.boot.modes
    proving = {MODES[mode].machine for mode in modes}
    having = [machine for machine in BOOTING if getattr(loaded.recipe.verify, machine)]
    chosen = [machine for machine in having if machine == "qemu" or machine in proving]
    if wanted is None and has_own_code(modes):  # QEMU's own loader proves nothing that these do not
        chosen.remove("qemu") if "qemu" in chosen else None
    return tuple(
        machine for machine in MACHINES if machine in ("static", *chosen) and (wanted is None or machine in wanted)
    )


def _machines(loaded: LoadedRecipe, wanted: tuple[MachineName, ...] | None) -> tuple[MachineName, ...]:
    """As machines_of. Raises RecipeError when that leaves nothing of what was wanted."""
    chosen = machines_of(loaded, wanted)
    if wanted and not chosen:
        found = " and ".join(f"{machine}: false" for machine in wanted)
        raise _mistake(loaded, "verify", f"found {found}, but --with names no other machine")
    return chosen


def find_hash(password: Password, where_from: str, loaded: LoadedRecipe) -> str:
    """The hash itself, from where the recipe says at the key `where_from`. Raises RecipeError; never shows it."""
    from pydantic import SecretStr, ValidationError

    from imagebuild.recipe.model import Password

    if password.hash is not None:
        return password.hash.get_secret_value()
    if password.env is not None:
        key, where = f"{where_from}.env", f"the environment variable {password.env}"
        found = os.environ.get(password.env)
        if found is None:
            raise _mistake(
                loaded, key, f"{where} is not set: export it, with a crypt(5) hash as `openssl passwd -6` prints"
            )
    else:
        assert password.file is not None  # the model lets through exactly one of the three
        key, where = f"{where_from}.file", f"the file {loaded.folder / password.file}"
        found = _read_secret(loaded, key, loaded.folder / password.file)
    try:
        return _plain(Password(hash=SecretStr(found.strip())))
    except ValidationError:
        raise _mistake(
            loaded, key, f"{where} has no crypt(5) hash ($y$…, $6$…): make one with `openssl passwd -6`"
        ) from None


def _plain(password: Password) -> str:
    assert password.hash is not None
    return password.hash.get_secret_value()


def _read_secret(loaded: LoadedRecipe, key: str, path: Path) -> str:
    try:
        return read_named(path, _SECRET_BYTES)[:_SECRET_BYTES].decode("utf-8", "replace")
    except OSError as error:
        raise _mistake(loaded, key, f"the file {path} cannot be read: {error.strerror}") from None


def _mistake(loaded: LoadedRecipe, key: str, message: str) -> RecipeError:
    return RecipeError([loaded.problem(key, message)])
