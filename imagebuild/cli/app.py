"""The program's verbs in the order of --help, each a function of a module in commands/; and --help's own text.

A verb returns its exit code and raises our errors; run.py calls it, and says them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from imagebuild.cli.commands.aki import aki
from imagebuild.cli.commands.boot import boot
from imagebuild.cli.commands.build import build
from imagebuild.cli.commands.bundle import bundle
from imagebuild.cli.commands.cache import cache
from imagebuild.cli.commands.completion import completion
from imagebuild.cli.commands.diff import diff
from imagebuild.cli.commands.doctor import doctor
from imagebuild.cli.commands.init import init
from imagebuild.cli.commands.inspect import inspect
from imagebuild.cli.commands.lock import lock
from imagebuild.cli.commands.nightly import nightly
from imagebuild.cli.commands.plan import plan
from imagebuild.cli.commands.publish import publish
from imagebuild.cli.commands.recipe import recipe
from imagebuild.cli.commands.repair import repair
from imagebuild.cli.commands.reproduce import reproduce
from imagebuild.cli.commands.schema import schema
from imagebuild.cli.commands.shell import shell
from imagebuild.cli.commands.unbundle import unbundle
from imagebuild.cli.commands.validate import validate
from imagebuild.cli.commands.verify import verify
from imagebuild.cli.commands.worker import worker
from imagebuild.errors import EXIT_CODES

_ABOUT = """\
Builds bootable disk images from declarative recipes, and boots every one under Xen and QEMU before anybody sees it.

\b
A first image:
  imagebuild doctor                                  what this machine can do, and what to install
  imagebuild validate recipes/debian-12-hd0.yaml     every mistake at once, with line and column
  imagebuild plan recipes/debian-12-hd0.yaml         what will be built, without building it
  imagebuild build recipes/debian-12-hd0.yaml -o out
"""
_EXIT_CODES = "\n".join(
    [
        "\b",
        "Exit codes:",
        *(f"{code:>5}  {meaning.replace('`', '')}" for code, meaning in EXIT_CODES.items()),
        "With several recipes: the highest of them.",
    ]
)

app = typer.Typer(
    help=_ABOUT,
    epilog=_EXIT_CODES,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from imagebuild import __version__

        typer.echo(f"imagebuild {__version__}")
        raise typer.Exit


@app.callback()
def _everywhere(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    pass


_VERBS: tuple[tuple[Callable[..., int], str], ...] = (
    (validate, "Check recipes: every mistake at once, with its place."),
    (plan, "Show what will be built, without building it."),
    (build, "Build images, and verify each to its login prompt."),
    (verify, "Verify any image that has a menu.lst."),
    (doctor, "Say what this machine can do, and what to install."),
    (schema, "Print the JSON Schema of recipes, for editors."),
    (inspect, "Show what is in an image, and what each boot loader would do with it."),
    (repair, "Make a bootable copy of an image that a boot loader cannot read."),
    (lock, "Write down the exact packages that a recipe's tree is made of."),
    (reproduce, "Build an output folder's image again, and tell whether it is the same."),
    (nightly, "Build and verify a folder of recipes, what has changed, with one summary."),
    (worker, "Offer this machine to the scheduler of a nightly run."),
    (aki, "List the PV-GRUB AKIs of EC2, or choose the right one."),
    (bundle, "Make an EC2 bundle (instance store) of an image."),
    (unbundle, "Get the image back out of an EC2 bundle."),
    (publish, "Upload an image to EC2 and register it as an AMI."),
    (recipe, "Write one of imagebuild's own recipes into this directory."),
    (init, "Write a commented recipe to begin with."),
    (diff, "Tell what differs between two images."),
    (boot, "Sit at an image's console."),
    (shell, "Look into an image (guestfish)."),
    (completion, "Print the completion script of a shell."),
)

for verb, brief in _VERBS:
    app.command(short_help=brief)(verb)
app.add_typer(cache, name="cache", short_help="See, shrink and check what is kept between builds.")
