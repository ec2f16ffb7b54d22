"""`init`: a commented recipe to begin with, from a few questions or from an image."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from imagebuild.cli.options import Debug
from imagebuild.cli.output import say_text
from imagebuild.errors import OK
from imagebuild.vocabulary import Layout, RootType


def init(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(metavar="[FILE]", help="File to write; - prints the recipe.")] = Path(
        "my-image.yaml"
    ),
    source: Annotated[
        Path | None, typer.Option("--from", metavar="IMAGE", help="Write a recipe for an image like this one.")
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="Name of the image (default: the file's name).")] = None,
    suite: Annotated[
        str | None, typer.Option("--suite", metavar="NAME", help="Debian release, such as bookworm.")
    ] = None,
    layout: Annotated[Layout | None, typer.Option("--layout", help="hd0: one filesystem; hd00: partitions.")] = None,
    lvm: Annotated[
        bool | None, typer.Option("--lvm/--no-lvm", help="Put the root filesystem on LVM (hd00 only).")
    ] = None,
    filesystem: Annotated[RootType | None, typer.Option("--filesystem", help="Type of the root filesystem.")] = None,
    size: Annotated[
        str | None, typer.Option("--size", help="Size of the disk, such as 4GiB (default: computed).")
    ] = None,
    hostname: Annotated[str | None, typer.Option("--hostname", help="Host name (default: debian).")] = None,
    yes: Annotated[bool, typer.Option("-y", "--yes", help="Ask nothing; use the defaults.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
    debug: Debug = False,
) -> int:
    """Write a commented recipe: asks for layout, filesystem, LVM and release, each with a default.

    An option answers its question in advance; without a terminal, imagebuild asks nothing. With --from, the recipe
    comes from an image: its partitions, filesystems, volumes and boot menu, and its tree as the source. If the recipe
    needs edits before it can be built, imagebuild lists them.

    \b
    Examples:
      imagebuild init web.yaml
      imagebuild init web.yaml --layout hd00 --lvm --yes
      imagebuild init rebuilt.yaml --from old-server.raw
    """

    import sys

    from imagebuild.cli.terminal import watching
    from imagebuild.host.cache import Cache
    from imagebuild.operations.init import InitRequest, write_recipe
    from imagebuild.operations.input_file import check_file

    if source is not None:
        check_file(source, "image")
    request = InitRequest(
        path=path, source=source, name=name, suite=suite, layout=layout, lvm=lvm, filesystem=filesystem, size=size,
        hostname=hostname, force=force,
    )  # fmt: skip
    ask = _take_default if yes or not sys.stdin.isatty() else _ask_on_terminal
    with watching(sys.stderr, transient=True) as progress:
        written = write_recipe(request, ask, Cache(), progress)
    if written.path is None:
        say_text(written.text, end="")
        return OK
    say_text(f"{path}: written")
    if written.trouble is not None:
        raise written.trouble
    say_text(f"next: imagebuild plan {path}, then imagebuild build {path}")
    return OK


def _take_default(_question: str, default: str, _choices: tuple[str, ...]) -> str:
    return default


def _ask_on_terminal(question: str, default: str, choices: tuple[str, ...]) -> str:
    """Ask on stderr, so that stdout is the recipe's (`init -`). The first letters of an answer are enough."""
    import sys

    from imagebuild.errors import UsageError
    from imagebuild.operations.init import SUITES

    shown = f" ({', '.join(choices)})" if choices else ""
    while True:
        say_text(f"{question}{shown} [{default}]: ", end="", stream=sys.stderr)
        line = sys.stdin.readline()
        if not line:
            raise UsageError("init", "the input ended before the last answer; --yes uses the defaults")
        answer = line.strip() or default
        begun = [choice for choice in choices if choice.startswith(answer)]
        if not choices or answer in choices or choices == SUITES:  # a release may be any code name
            return answer
        if len(begun) == 1:
            return begun[0]
        say_text(f"  {answer!r} is not a choice; enter {' or '.join(choices)}", stream=sys.stderr)
