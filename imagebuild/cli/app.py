"""The verbs and their options. Parsing ends in a function to call (run.py calls it): nothing runs inside the parser."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from imagebuild.cli.options import (
    AsJson,
    Debug,
    Demand,
    Expect,
    ForLoader,
    Locked,
    Memory,
    NoFallback,
    OneRecipe,
    PvGrub,
    Recipes,
    Settings,
    SignKey,
    Timeout,
    With,
)

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
_EXIT_CODES = """\
\b
Exit codes:
    0  done, and verified where a verification was asked for
    1  internal error (please report it)
    2  the command line or the recipe is wrong
    3  the recipe cannot be made, or a boot loader could not boot it
    4  this machine lacks something, to build or to verify; the message says what to install
    5  a step of the build failed
    6  the image could not be verified (it may be good)
    7  bundling, uploading or registering failed (safe to run again)
   10  the image was verified, and it is bad
  130  interrupted by Ctrl-C or SIGTERM
With several recipes: the highest of them.
"""

app = typer.Typer(
    help=_ABOUT,
    epilog=_EXIT_CODES,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)


def _do(context: typer.Context, work: Work, *, debug: bool = False) -> None:
    context.obj.work, context.obj.debug = work, debug


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


@app.command(short_help="Check recipes: every mistake at once, with its place.")
def validate(
    context: typer.Context, recipes: Recipes, settings: Settings = None, locked: Locked = False, debug: Debug = False
) -> None:
    """Check recipes: every mistake at once, as file:line:column: key: what was found, what is allowed, what to do.

    Needs no root, no network, and builds nothing.

    \b
    Examples:
      imagebuild validate recipes/*.yaml
      imagebuild validate web.yaml --set release=bookworm
    """

    def work() -> int:
        from imagebuild.cli.validate import validate_recipes

        return validate_recipes(recipes, settings or [], locked=locked)

    _do(context, work, debug=debug)


@app.command(short_help="Show what will be built, without building it.")
def plan(
    context: typer.Context,
    recipe: OneRecipe,
    as_json: AsJson = False,
    settings: Settings = None,
    locked: Locked = False,
    debug: Debug = False,
) -> None:
    """Show what will be built: partition table, filesystems, kernels, menu.lst, fstab, checks, and a digest.

    Takes well under a second: nothing is downloaded or built. What only the root tree can tell (the kernels'
    versions, a computed size) is marked so, until the tree is in the cache.

    \b
    Examples:
      imagebuild plan recipes/debian-12-hd00-lvm.yaml
      imagebuild plan recipes/debian-12-hd0.yaml --json | jq .menu
    """

    def work() -> int:
        from imagebuild.cli.validate import show_plan

        return show_plan(recipe, settings or [], as_json=as_json, locked=locked)

    _do(context, work, debug=debug)


@app.command(short_help="Build images, and verify each to its login prompt.")
def build(
    context: typer.Context,
    recipes: Recipes,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Where DIR/NAME/ is made.")] = Path(
        "out"
    ),
    settings: Settings = None,
    locked: Locked = False,
    no_verify: Annotated[
        bool, typer.Option("--no-verify", help="Do not verify; the report then says 'unverified'.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Build and verify even what is unchanged and still verified.")
    ] = False,
    keep_going: Annotated[
        bool, typer.Option("--keep-going", help="After a failure go on with the next recipe.")
    ] = False,
    machines: With = None,
    pv_grub: PvGrub = None,
    demand: Demand = None,
    sign_key: SignKey = None,
    jobs: Annotated[
        int,
        typer.Option("--jobs", "-j", metavar="N", min=0, help="Recipes at once (default: as cores and memory allow)."),
    ] = 0,
    debug: Debug = False,
) -> None:
    """Build images and verify each: read back by other tools, then booted under QEMU and Xen to the login prompt.

    DIR/NAME/ then holds NAME.raw (sparse) and the recipe's other outputs, SHA256SUMS, report.html (open it in a
    browser), report.json, junit.xml, packages.json, plan.json, SBOMs (SPDX, CycloneDX), provenance.json, build.log and
    one console log per boot. NAME.raw appears only after a passed
    verification: an image that failed is kept as NAME.raw.rejected, one that could not be verified as
    NAME.raw.unverified. An older result stays until there is a new one. Nothing is begun unless all recipes are right.
    Several recipes are built side by side; what they share (a tree, the test host) is made once.

    \b
    Examples:
      imagebuild build recipes/debian-12-hd0.yaml
      imagebuild build recipes/*.yaml -o out --keep-going
      imagebuild build web.yaml --set release=bookworm --with static,qemu
    """
    if no_verify and (machines is not None or demand is not None):
        raise typer.BadParameter("--no-verify goes neither with --with nor with --require")

    def work() -> int:
        from imagebuild.cli.build import BuildOptions, build_recipes
        from imagebuild.cli.verify import chosen_machines

        options = BuildOptions(
            output=output,
            machines=chosen_machines(machines),
            verify=not no_verify,
            keep_going=keep_going,
            locked=locked,
            force=force,
            debug=debug,
            pv_grub=pv_grub,
            demand=demand,
            sign_key=sign_key,
            jobs=jobs,
        )
        return build_recipes(recipes, settings or [], options, context.obj.hands())

    _do(context, work, debug=debug)


@app.command(short_help="Verify any image that has a menu.lst.")
def verify(
    context: typer.Context,
    image: Annotated[
        Path,
        typer.Argument(
            metavar="IMAGE",
            help="A disk image of any usual format.",
            show_default=False,
        ),
    ],
    machines: With = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="DIR", help="Where the report goes (default: ./IMAGE.verify/)."),
    ] = None,
    loader: ForLoader = "pv-grub",
    pv_grub: PvGrub = None,
    demand: Demand = None,
    timeout: Timeout = None,
    memory: Memory = None,
    expect: Expect = None,
    no_fallback: NoFallback = False,
    force: Annotated[
        bool, typer.Option("--force", help="Boot it even where the verdict of the same bytes is kept.")
    ] = False,
    debug: Debug = False,
) -> None:
    """Verify any image that has a /boot/grub/menu.lst, not only imagebuild's own. The image is never written.

    static reads it back (sfdisk, fsck, GRUB 0.97's shell, pygrub); qemu boots the kernel that its menu names; xen
    goes the whole way through a PV-GRUB, and where the menu has a fallback, once more with the default's kernel broken.
    DIR then holds report.html, report.json, junit.xml, verify.log, consoles.

    \b
    Examples:
      imagebuild verify out/debian-12-hd0/debian-12-hd0.raw
      imagebuild verify old-server.qcow2 --with static -o /tmp/old-server
      imagebuild verify appliance.raw --expect "ready to serve" --timeout 10min --memory 1GiB
    """

    def work() -> int:
        from imagebuild.cli.verify import VerifyOptions, boot_settings, chosen_machines, verify_one
        from imagebuild.vocabulary import MACHINES

        options = VerifyOptions(
            machines=chosen_machines(machines) or MACHINES,
            boot=boot_settings(timeout, memory, expect),
            output=output,
            loader=loader,
            pv_grub=pv_grub,
            demand=demand,
            fallback=not no_fallback,
            force=force,
            debug=debug,
        )
        return verify_one(image, options, context.obj.hands().verify)

    _do(context, work, debug=debug)


from imagebuild.cli.cache_verbs import add_cache_verbs  # noqa: E402 (last, like the next)
from imagebuild.cli.ec2 import add_ec2_verbs  # noqa: E402 (last, so that --help lists them behind the others)
from imagebuild.cli.image_verbs import add_image_verbs  # noqa: E402 (like the next)
from imagebuild.cli.machine_verbs import add_machine_verbs  # noqa: E402 (first: beside the verbs above)
from imagebuild.cli.nightly_verbs import add_nightly_verbs  # noqa: E402 (like the next)
from imagebuild.cli.reproducible_verbs import add_reproducible_verbs  # noqa: E402 (like the next)

add_machine_verbs(app, _do)
add_image_verbs(app, _do)
add_reproducible_verbs(app, _do)
add_cache_verbs(app, _do)
add_nightly_verbs(app, _do)
from imagebuild.cli.desk import add_desk_verbs  # noqa: E402

add_ec2_verbs(app, _do)
add_desk_verbs(app, _do)
