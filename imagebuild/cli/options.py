"""The options that verbs share: their names, what --help says of them, and what their texts mean."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from imagebuild.errors import UsageError
from imagebuild.vocabulary import GENUINE, MACHINES, BootLoader, MachineName, Required

if TYPE_CHECKING:
    from imagebuild.verify.request import BootSettings

Recipes = Annotated[list[Path], typer.Argument(metavar="RECIPE", help="Recipe files (YAML).", show_default=False)]
OneRecipe = Annotated[Path, typer.Argument(metavar="RECIPE", help="A recipe file (YAML).", show_default=False)]
AnyImage = Annotated[Path, typer.Argument(metavar="IMAGE", help="A disk image of any format.", show_default=False)]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Set a variable of the recipe (repeatable)."),
]
With = Annotated[
    str | None,
    typer.Option(
        "--with",
        metavar="MACHINES",
        help="Run only these: static,qemu,xen,pvh,bios,uefi (default: what the image is made for).",
    ),
]  # fmt: skip
PV_GRUB_OPTION = "--pv-grub"
PvGrub = Annotated[
    Path | None,
    typer.Option(
        PV_GRUB_OPTION, metavar="FILE", envvar="IMAGEBUILD_PV_GRUB",
        help="Use this genuine PV-GRUB under Xen instead of the stand-in.",
    ),
]  # fmt: skip
ForLoader = Annotated[
    BootLoader,
    typer.Option("--loader", help="The image's boot loader; the checks use this loader's rules."),
]
Demand = Annotated[
    Required | None,
    typer.Option(
        "--require",
        metavar=f"{GENUINE}|fallback",
        help=f"{GENUINE}: fail unless a genuine PV-GRUB booted the image; fallback: fail unless the fallback boots.",
    ),
]
Timeout = Annotated[
    str | None,
    typer.Option(
        "--timeout", metavar="TIME", help="Time limit of each boot (default: 300s); longer on a slow machine."
    ),
]
Memory = Annotated[
    str | None, typer.Option("--memory", metavar="SIZE", help="Memory of the booted machine (default: 512MiB).")
]
Expect = Annotated[
    str | None,
    typer.Option("--expect", metavar="TEXT", help="Console text that proves the boot (default: login:)."),
]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Print only errors.")]
Verbose = Annotated[
    bool, typer.Option("-v", "--verbose", help="Also print what goes to the log: every command and its output.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")]
Locked = Annotated[
    bool, typer.Option("--locked", help="Install exactly the packages of the lock file (see: imagebuild lock)."),
]  # fmt: skip


def _remember_debug(context: typer.Context, wanted: bool) -> bool:
    """run.py shows errors, so it has to know, whether the verb does or not."""
    if context.obj is not None:
        context.obj.debug = wanted
    return wanted


Debug = Annotated[bool, typer.Option("--debug", help="Show an error's traceback.", callback=_remember_debug)]
Jobs = Annotated[
    int,
    typer.Option(
        "--jobs", "-j", metavar="N", min=0, help="Recipes to build in parallel (default: what cores and memory allow)."
    ),
]
SignKey = Annotated[
    Path | None,
    typer.Option(
        "--sign-key", metavar="FILE", envvar="IMAGEBUILD_SIGN_KEY",
        help="Sign SHA256SUMS with this SSH key (a .pub file uses the ssh-agent).",
    ),
]  # fmt: skip
NoFallback = Annotated[
    bool, typer.Option("--no-fallback", help="Do not test the fallback entry by breaking the default's kernel.")
]


def chosen_machines(words: str | None) -> tuple[MachineName, ...] | None:
    """`--with static,qemu` as names, in the order in which they run. None: not given."""
    if words is None:
        return None
    wanted = [word.strip() for word in words.split(",")]
    for word in wanted:
        if word not in MACHINES:
            raise UsageError("--with", f"found {word!r}; allowed are {', '.join(MACHINES)}, separated by commas")
    return tuple(machine for machine in MACHINES if machine in wanted)


def duration_seconds(timeout: str) -> float:
    """`--timeout 5min`. Raises UsageError."""
    from pydantic import TypeAdapter, ValidationError

    from imagebuild.recipe.units import Duration

    try:
        return float(TypeAdapter(Duration).validate_python(timeout).total_seconds())
    except ValidationError:
        raise UsageError("--timeout", f"found {timeout!r}; write a number with a unit, such as 90s or 5min") from None


def boot_settings(timeout: str | None, memory: str | None, expect: str | None) -> BootSettings:
    """`--timeout 5min --memory 1GiB --expect TEXT`. Raises RecipeError."""
    from pydantic import TypeAdapter, ValidationError

    from imagebuild.recipe.units import Size
    from imagebuild.verify.request import BootSettings

    settings = BootSettings()
    if timeout is not None:
        settings = replace(settings, timeout_seconds=duration_seconds(timeout))
    try:
        if memory is not None:
            settings = replace(settings, memory_bytes=int(TypeAdapter(Size).validate_python(memory)))
    except ValidationError:
        raise UsageError("--memory", f"found {memory!r}; write a number with a unit, such as 512MiB") from None
    if expect is not None:
        if not expect:
            raise UsageError("--expect", "found nothing; write the text that proves the boot, such as 'login:'")
        settings = replace(settings, expect=expect)
    return settings
