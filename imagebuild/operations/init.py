"""A commented recipe to begin with, from a few answers or from an image."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from imagebuild.errors import BuildError, HostError, ImagebuildError, RecipeError, UsageError
from imagebuild.events import Progress
from imagebuild.host.cache import Cache
from imagebuild.host.scratch import scratch_folder
from imagebuild.operations import init_questions as questions
from imagebuild.operations.init_questions import NOBODY, Question, read_key
from imagebuild.plan.planner import make_plan
from imagebuild.recipe.load import load_recipe
from imagebuild.recipe.starter import Answers, FoundImage, from_image, starter
from imagebuild.vocabulary import Layout, RootType

Ask = Callable[[Question, Callable[[str], str]], str]
"""Given a question and a check that returns the answer as it is meant, or raises ValueError: then it asks again."""
_STDOUT = Path("-")


@dataclass(frozen=True, slots=True, kw_only=True)
class InitRequest:
    """`path`: where the recipe goes; "-": nowhere. `source`: an image to take it from. None elsewhere: to be asked."""

    path: Path
    source: Path | None = None
    name: str | None = None
    suite: str | None = None
    layout: Layout | None = None
    lvm: bool | None = None
    filesystem: RootType | None = None
    size: str | None = None
    hostname: str | None = None
    user: str | None = None
    ssh_key: str | None = None
    force: bool = False


@dataclass(frozen=True, slots=True)
class Written:
    """`path` None: it was written nowhere. `trouble`: what must be edited before it can be built. `key`: the file of
    the user's SSH key, beside it."""

    text: str
    path: Path | None
    trouble: ImagebuildError | None = None
    key: Path | None = None


def write_recipe(request: InitRequest, ask: Ask, cache: Cache, progress: Progress) -> Written:
    """Write the recipe; it is read back and planned before it gets its name. Raises UsageError, HostError."""
    path = request.path
    if path != _STDOUT and path.exists() and not request.force:
        message = "the file exists already; choose another name, or give --force"
        raise UsageError(str(path), message)
    answers = None if request.source is not None else _answers(request, ask)
    if answers is not None:
        text = starter(answers)
    else:
        assert request.source is not None
        text = from_image(_look_at(request.source, path, cache, progress))
    if path == _STDOUT:
        return Written(text, None)
    key = path.parent / answers.key_file if answers is not None and answers.key else None
    if key is not None and key.exists() and not request.force:
        raise UsageError(str(key), "there is such a file already, where the key would go; give --force")
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_text(text, encoding="utf-8")
        if key is not None and answers is not None:
            key.write_text(f"{answers.key}\n", encoding="utf-8")
    except OSError as error:
        raise HostError(f"{path} cannot be written: {error.strerror}", resolution="choose another directory") from error
    trouble = _trouble(partial, path)
    partial.replace(path)
    return Written(text, path, trouble, key)


def _trouble(partial: Path, path: Path) -> ImagebuildError | None:
    """What `imagebuild validate` would say to it; an image may be like nothing that can be built."""
    try:
        make_plan(load_recipe(partial).recipe, None)
    except ImagebuildError as error:
        problems = "\n".join(str(replace(one, file=str(path))) for one in getattr(error, "problems", ()))
        return BuildError(
            f"{path} must be edited before it can be built: {error.brief}",
            details=problems or error.details,
            resolution=error.resolution or f"edit it, then: imagebuild validate {path}",
        )
    return None


class _Interview:
    """Asks, one question after the other. Each answer is checked at once: by a recipe that has it, read and planned."""

    def __init__(self, request: InitRequest, ask: Ask) -> None:
        self._request = request
        self._ask = ask
        self.answers = Answers()

    def take(self, field: str, question: Question, given: str | None) -> str:
        """The answer: as an option gave it, else as the user gives it. Raises UsageError for a wrong option."""

        def check(answer: str) -> str:
            chosen = question.chosen(answer)
            self.answers = _accepted(self.answers, field, chosen)
            return chosen

        if given is None:
            return self._ask(question, check)
        try:
            return check(given)
        except ValueError as error:
            raise UsageError(question.option, str(error)) from None


def _accepted(answers: Answers, field: str, answer: str) -> Answers:
    """With this answer, too. Raises ValueError in the words of `imagebuild validate` when no recipe can have it."""
    value: object = answer
    if field == "key":
        value = read_key(answer)
    elif field == "lvm":
        value = answer == "yes"
    elif field in ("size", "user") and answer in ("auto", NOBODY):
        value = None
    changed = replace(answers, **{field: value})  # type: ignore[arg-type]  # each field by its own question
    with scratch_folder() as folder:
        path = folder / "recipe.yaml"
        path.write_text(starter(changed), encoding="utf-8")
        (folder / changed.key_file).write_text(f"{changed.key}\n", encoding="utf-8")
        try:
            make_plan(load_recipe(path).recipe, None)
        except RecipeError as error:
            raise ValueError(error.problems[0].message) from None
        except ImagebuildError as error:
            raise ValueError(f"{error.brief}; {error.resolution}") from None
    return changed


def _answers(request: InitRequest, ask: Ask) -> Answers:
    path = request.path
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem).strip("-._")[:64] or "my-image"
    interview = _Interview(request, ask)
    name = "my-image" if path == _STDOUT else stem
    interview.take("name", replace(questions.NAME, default=name), request.name)
    interview.take("suite", questions.SUITE, request.suite)
    layout = interview.take("layout", questions.LAYOUT, request.layout or ("hd00" if request.lvm else None))
    if request.lvm and layout == "hd0":
        raise UsageError("--lvm", "LVM needs a partition table: --layout hd00")
    if layout == "hd00":
        given = None if request.lvm is None else "yes" if request.lvm else "no"
        interview.take("lvm", questions.LVM, given)
    interview.take("filesystem", questions.FILESYSTEM, request.filesystem)
    interview.take("size", questions.SIZE, request.size)
    interview.take("hostname", questions.HOSTNAME, request.hostname)
    user = interview.take("user", questions.USER, request.user or (NOBODY if request.path == _STDOUT else None))
    if user != NOBODY:
        interview.take("key", questions.KEY, request.ssh_key)
    return interview.answers


def _look_at(image: Path, recipe: Path, cache: Cache, progress: Progress) -> FoundImage:
    """What the image is like. Raises VerifyError."""
    from imagebuild.image.opened import open_any
    from imagebuild.operations.recipe_of_image import found_in

    folder = Path.cwd() if recipe == _STDOUT else recipe.absolute().parent
    with scratch_folder() as scratch, open_any(image, cache, scratch, progress) as subject:
        return found_in(subject, os.path.relpath(image.resolve(), folder))
