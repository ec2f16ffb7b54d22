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
from imagebuild.cli.commands.help import show_help
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
from imagebuild.cli.plain_help import PlainGroup, PlainVerb
from imagebuild.errors import EXIT_CODES

_ABOUT = """\
Build bootable disk images from declarative recipes, and boot each under Xen and QEMU before it gets its name.

\b
A first image:
  imagebuild doctor              what this machine can do, and what to install
  imagebuild init web.yaml       a recipe, from a few questions
  imagebuild validate web.yaml   every mistake at once, with line and column
  imagebuild plan web.yaml       what a build will make, without building
  imagebuild build web.yaml      the image, booted: out/web/

`imagebuild help VERB` or `imagebuild VERB --help` explains a verb.
"""
_EXIT_CODES = "\n".join(
    [
        "\b",
        "Exit codes:",
        *(f"{code:>5}  {meaning.replace('`', '')}" for code, meaning in EXIT_CODES.items()),
        "With several recipes, the highest code.",
    ]
)

app = typer.Typer(
    cls=PlainGroup,
    add_completion=False,  # `completion` prints the script
    help=_ABOUT,
    epilog=_EXIT_CODES,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
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
    (validate, "Check recipes; report every mistake with file and line."),
    (plan, "Show what a build will make, without building."),
    (build, "Build images and boot each to its login prompt."),
    (verify, "Verify any image that has a menu.lst."),
    (doctor, "Check this machine: what works, what to install."),
    (schema, "Print the JSON Schema of recipes, for editors."),
    (inspect, "Show an image's contents and what boot loaders do with it."),
    (repair, "Make a bootable copy of an image that does not boot."),
    (lock, "Write a lock file with a recipe's exact packages."),
    (reproduce, "Build an image again and compare it, bit for bit."),
    (nightly, "Build every changed recipe of a directory; one summary."),
    (worker, "Run builds for the scheduler of a nightly run."),
    (aki, "List EC2's PV-GRUB AKIs, or choose one for an image."),
    (bundle, "Make an EC2 bundle (instance store) of an image."),
    (unbundle, "Extract the image from an EC2 bundle."),
    (publish, "Upload an image to EC2 and register it as an AMI."),
    (recipe, "Write one of imagebuild's own recipes into a directory."),
    (init, "Write a commented starter recipe."),
    (diff, "Compare two images or output directories."),
    (boot, "Boot an image and use its console."),
    (shell, "Browse an image's files (guestfish)."),
    (completion, "Print a shell's completion script."),
)

for verb, brief in _VERBS:
    app.command(cls=PlainVerb, short_help=brief)(verb)
app.command("help", cls=PlainVerb, short_help="Explain a verb.")(show_help)
app.add_typer(cache, name="cache", short_help="See, shrink and check the cache.")
