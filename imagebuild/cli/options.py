"""The options that verbs share: their names, and what --help says of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

Recipes = Annotated[list[Path], typer.Argument(metavar="RECIPE", help="Recipe files (YAML).", show_default=False)]
OneRecipe = Annotated[Path, typer.Argument(metavar="RECIPE", help="A recipe file (YAML).", show_default=False)]
AnyImage = Annotated[Path, typer.Argument(metavar="IMAGE", help="A raw or qcow2 image.", show_default=False)]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Give a variable of the recipe a value; may be repeated."),
]
With = Annotated[
    str | None,
    typer.Option(
        "--with", metavar="MACHINES", help="Only these machines, with commas: static,qemu,xen (default: all).",
    ),
]  # fmt: skip
PvGrub = Annotated[
    Path | None,
    typer.Option(
        "--pv-grub", metavar="FILE", envvar="IMAGEBUILD_PV_GRUB",
        help="Boot under Xen with this genuine PV-GRUB, not with the stand-in.",
    ),
]  # fmt: skip
ForLoader = Annotated[
    Literal["pv-grub", "pygrub", "pvgrub2"],
    typer.Option("--loader", help="The boot loader that the image is meant for: its rules are the judge's."),
]
Demand = Annotated[
    Literal["pv-grub", "fallback"] | None,
    typer.Option(
        "--require",
        metavar="pv-grub|fallback",
        help="pv-grub: call nothing passed that only the stand-in has booted; fallback: a dead fallback is a failure.",
    ),
]
Timeout = Annotated[
    str | None,
    typer.Option("--timeout", metavar="TIME", help="Limit of each boot (default: 300s); a slow machine gets more."),
]
Memory = Annotated[
    str | None, typer.Option("--memory", metavar="SIZE", help="Memory of the booted machine (default: 512MiB).")
]
Expect = Annotated[
    str | None,
    typer.Option("--expect", metavar="TEXT", help="The console's text that proves the boot (default: login:)."),
]
AsJson = Annotated[bool, typer.Option("--json", help="JSON on stdout, for programs.")]
Locked = Annotated[
    bool, typer.Option("--locked", help="Take exactly the packages of the recipe's lock (see: imagebuild lock)."),
]  # fmt: skip


def _remember_debug(context: typer.Context, wanted: bool) -> bool:
    """run.py shows errors, so it has to know, whether the verb does or not."""
    if context.obj is not None:
        context.obj.debug = wanted
    return wanted


Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error too.", callback=_remember_debug)]
Jobs = Annotated[
    int,
    typer.Option("--jobs", "-j", metavar="N", min=0, help="Recipes at once (default: as cores and memory allow)."),
]
SignKey = Annotated[
    Path | None,
    typer.Option(
        "--sign-key", metavar="FILE", envvar="IMAGEBUILD_SIGN_KEY",
        help="Sign SHA256SUMS with this SSH key (a public one: by the agent).",
    ),
]  # fmt: skip
NoFallback = Annotated[
    bool, typer.Option("--no-fallback", help="Do not boot once more with the default's kernel broken.")
]
