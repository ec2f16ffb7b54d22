"""The program's verbs in the order of --help, each a function of a module in commands/; and --help's own text.

A verb returns its exit code and raises our errors; run.py calls it, and says them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from imagebuild.cli.cache_verbs import add_cache_verbs
from imagebuild.cli.commands.build import build
from imagebuild.cli.commands.lock import lock
from imagebuild.cli.commands.nightly import nightly
from imagebuild.cli.commands.plan import plan
from imagebuild.cli.commands.reproduce import reproduce
from imagebuild.cli.commands.validate import validate
from imagebuild.cli.commands.verify import verify
from imagebuild.cli.commands.worker import worker
from imagebuild.cli.desk import add_desk_verbs
from imagebuild.cli.ec2 import add_ec2_verbs
from imagebuild.cli.image_verbs import add_image_verbs
from imagebuild.cli.machine_verbs import add_machine_verbs
from imagebuild.errors import EXIT_CODES

Work = Callable[[], int]

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
        "\b\nExit codes:",
        *(f"  {code:>3}  {meaning.replace('`', '')}" for code, meaning in EXIT_CODES.items()),
        "With several recipes: the highest of them.\n",
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
)
_REPRODUCIBLE: tuple[tuple[Callable[..., int], str], ...] = (
    (lock, "Write down the exact packages that a recipe's tree is made of."),
    (reproduce, "Build an output folder's image again, and tell whether it is the same."),
)
_NIGHTLY: tuple[tuple[Callable[..., int], str], ...] = (
    (nightly, "Build and verify a folder of recipes, what has changed, with one summary."),
    (worker, "Offer this machine to the scheduler of a nightly run."),
)


def _add(verbs: tuple[tuple[Callable[..., int], str], ...]) -> None:
    for verb, brief in verbs:
        app.command(short_help=brief)(verb)


def _do(context: typer.Context, work: Work, *, debug: bool = False) -> None:
    """For the verbs that are not yet a module of commands/ each."""
    context.obj.code = work()


_add(_VERBS)
add_machine_verbs(app, _do)
add_image_verbs(app, _do)
_add(_REPRODUCIBLE)
add_cache_verbs(app, _do)
_add(_NIGHTLY)
add_ec2_verbs(app, _do)
add_desk_verbs(app, _do)
