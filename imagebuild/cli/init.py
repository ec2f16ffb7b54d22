"""`init`: a commented recipe to begin with, from a few questions or from an image."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_args

from imagebuild.errors import OK, BuildError, HostError, ImagebuildError, Problem, RecipeError, VerifyError
from imagebuild.recipe.starter import Answers, FoundFilesystem, FoundImage, from_image, starter
from imagebuild.vocabulary import RootType

if TYPE_CHECKING:
    from imagebuild.image.places import Place
    from imagebuild.image.subject import Subject

Ask = Callable[[str, str, tuple[str, ...]], str]
_SUITES = ("bookworm", "trixie", "bullseye")


def write_recipe(path: Path, given: dict[str, Any], *, source: Path | None, ask: bool, force: bool) -> int:
    """Write the recipe to `path` ("-": print it). `given`: what the options say. Raises RecipeError.

    The recipe is read back and planned before it gets its name: what is written validates.
    """
    if str(path) != "-" and path.exists() and not force:
        raise _misuse(path, "there is such a file already; choose another name, or give --force")
    if source is not None:
        text = from_image(look_at(source, path))
    else:
        text = starter(_answers(path, given, _terminal if ask else _default))
    if str(path) == "-":
        print(text, end="")
        return OK
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_text(text, encoding="utf-8")
    except OSError as error:
        raise HostError(f"{path} cannot be written: {error.strerror}", resolution="choose another folder") from error
    trouble = _trouble(partial, path)
    partial.replace(path)
    print(f"{path}: written")
    if trouble is not None:
        raise trouble
    print(f"next: imagebuild plan {path}, then imagebuild build {path}")
    return OK


def _trouble(partial: Path, path: Path) -> ImagebuildError | None:
    """What `imagebuild validate` would say to it; an image may be like nothing that can be built."""
    from imagebuild.plan.planner import make_plan
    from imagebuild.recipe.load import load_recipe

    try:
        make_plan(load_recipe(partial).recipe, None)
    except ImagebuildError as error:
        problems = "\n".join(str(replace(one, file=str(path))) for one in getattr(error, "problems", ()))
        return BuildError(
            f"{path} needs your hand before it can be built: {error.brief}",
            details=problems or error.details,
            resolution=error.resolution or f"edit it, then: imagebuild validate {path}",
        )
    return None


def _answers(path: Path, given: dict[str, Any], ask: Ask) -> Answers:
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem).strip("-._")[:64] or "my-image"
    name = given.get("name") or ask("Name of the image", "my-image" if str(path) == "-" else stem, ())
    suite = given.get("suite") or ask("Debian release", "bookworm", _SUITES)
    layout = given.get("layout") or ("hd00" if given.get("lvm") else None)
    layout = layout or ask("Layout: one filesystem, or a partition table", "hd0", ("hd0", "hd00"))
    lvm = given.get("lvm")
    if lvm is None:
        lvm = layout == "hd00" and ask("LVM", "no", ("yes", "no")) == "yes"
    if lvm and layout == "hd0":
        raise RecipeError([Problem("--lvm", 0, 0, "", "LVM needs a partition table: --layout hd00")])
    filesystem = given.get("filesystem") or ask("Root filesystem", "ext4", get_args(RootType))
    size = given.get("size") or ask("Size of the disk (auto: as large as the content needs)", "auto", ())
    hostname = given.get("hostname") or ask("Host name", "debian", ())
    return Answers(
        name,
        cast(Any, layout),
        cast(RootType, filesystem),
        bool(lvm),
        suite,
        None if size == "auto" else size,
        hostname,
    )


def _default(_question: str, default: str, _choices: tuple[str, ...]) -> str:
    return default


def _terminal(question: str, default: str, choices: tuple[str, ...]) -> str:
    """Ask on stderr, so that stdout is the recipe's (`init -`). An answer may be begun (`x` for xfs)."""
    shown = f" ({', '.join(choices)})" if choices else ""
    while True:
        print(f"{question}{shown} [{default}]: ", end="", file=sys.stderr, flush=True)
        line = sys.stdin.readline()
        if not line:
            raise RecipeError([Problem("init", 0, 0, "", "the input ended before the last answer; --yes asks nothing")])
        answer = line.strip() or default
        begun = [choice for choice in choices if choice.startswith(answer)]
        if not choices or answer in choices or choices == _SUITES:  # a release may be any code name
            return answer
        if len(begun) == 1:
            return begun[0]
        print(f"  {answer!r} is none of them", file=sys.stderr)


def wants_questions(yes: bool) -> bool:
    return not yes and sys.stdin.isatty()


def look_at(image: Path, recipe: Path) -> FoundImage:
    """What the image is like. Raises RecipeError and VerifyError."""
    from imagebuild.cli.terminal import Watcher, choose_display, showing
    from imagebuild.cli.verify import check_file
    from imagebuild.host.cache import Cache
    from imagebuild.host.scratch import scratch_folder
    from imagebuild.image.opened import open_any

    check_file(image, "image")
    folder = Path.cwd() if str(recipe) == "-" else recipe.absolute().parent
    with (
        showing(choose_display(sys.stderr, transient=True)) as display,
        scratch_folder() as scratch,
        open_any(image, Cache(), scratch, Watcher(display)) as subject,
    ):
        return _found(subject, os.path.relpath(image.resolve(), folder))


def _found(subject: Subject, image: str) -> FoundImage:
    from imagebuild.diff.take import mounts_of_subject

    mounts = mounts_of_subject(subject)
    volumes = [place for place in subject.places if place.volume]
    partitions, group_of = [], _groups_of(subject)
    for place in subject.places:
        if place.volume:
            continue
        if place.type == "LVM2_member":
            partitions.append(
                FoundFilesystem("ext4", _size(place.size_bytes), None, group=group_of.get(place.name, "vg0"))
            )
        elif place.contents is not None and (part := _filesystem(place, mounts)):
            partitions.append(part)
    if not partitions:
        raise VerifyError(f"{subject.image} holds no filesystem that a recipe can make",
                          resolution=f"found: {', '.join(place.type for place in subject.places)}")  # fmt: skip
    partitions[-1] = replace(partitions[-1], size="rest")
    groups: dict[str, list[FoundFilesystem]] = {}
    for place in volumes:
        if place.volume and (part := _filesystem(place, mounts)):
            groups.setdefault(place.volume[0], []).append(replace(part, name=place.volume[1]))
    table = {"dos": "mbr", "gpt": "gpt"}.get(subject.table.label) if subject.table else None
    menu = subject.menu
    entry = menu.entries[menu.default if isinstance(menu.default, int) and menu.default < len(menu.entries) else 0] if (
        menu and menu.entries) else None  # fmt: skip
    words = [word for word in (entry.arguments if entry else "").split() if not word.startswith("root=")]
    return FoundImage(
        name=re.sub(r"[^A-Za-z0-9._-]+", "-", subject.image.stem).strip("-._")[:64] or "my-image",
        image=image,
        size=_size(subject.size_bytes),
        table=cast(Any, table),
        partitions=tuple(partitions),
        groups=tuple((name, tuple(_with_rest(parts))) for name, parts in groups.items()),
        timeout=min(menu.timeout, 3600) if menu and menu.timeout is not None else None,
        command_line=" ".join(words) or None,
    )


def _with_rest(parts: list[FoundFilesystem]) -> list[FoundFilesystem]:
    """The largest volume takes what is left, so that rounding does no harm."""
    sizes = [int(part.size.removesuffix("MiB").removesuffix("KiB")) for part in parts]
    largest = sizes.index(max(sizes))
    return [replace(part, size="rest") if number == largest else part for number, part in enumerate(parts)]


def _filesystem(place: Place, mounts: dict[str, str]) -> FoundFilesystem | None:
    from imagebuild.vocabulary import FilesystemType

    if place.contents is None or place.contents.type not in get_args(FilesystemType):
        return None
    label = place.contents.label if re.fullmatch(r"[A-Za-z0-9_.-]*", place.contents.label) else ""
    mount = mounts.get(place.name)
    if place.type != "swap" and mount is None:
        mount = "/" if not mounts else f"/mnt/{place.name.strip('()').replace(',', '-').replace('/', '-')}"
    return FoundFilesystem(
        cast(Any, place.type), _size(place.size_bytes), None if place.type == "swap" else mount, label
    )


def _groups_of(subject: Subject) -> dict[str, str]:
    """Which volume group each physical volume belongs to: the one whose volumes lie in it."""
    found = {}
    for place in subject.places:
        if place.type == "LVM2_member" and place.runs:
            begin, end = place.runs[0].offset_bytes, place.runs[0].offset_bytes + place.size_bytes
            for volume in subject.places:
                if volume.volume and any(begin <= run.offset_bytes < end for run in volume.runs):
                    found[place.name] = volume.volume[0]
    return found


def _size(count_bytes: int) -> str:
    """As a recipe says it: whole MiB, else KiB."""
    return f"{count_bytes // 2**20}MiB" if count_bytes % 2**20 == 0 else f"{count_bytes // 1024}KiB"


def _misuse(path: Path, message: str) -> RecipeError:
    return RecipeError([Problem(str(path), 0, 0, "", message)])
