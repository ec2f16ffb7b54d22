"""`init`: a commented recipe to begin with, from a few questions or from an image."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from imagebuild.cli.options import Debug
from imagebuild.cli.output import say_text
from imagebuild.errors import OK
from imagebuild.vocabulary import Layout, RootType

if TYPE_CHECKING:
    from imagebuild.operations.init_questions import Question


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
    user: Annotated[
        str | None,
        typer.Option("--user", metavar="NAME", help="User who logs in with an SSH key (default: none)."),
    ] = None,
    ssh_key: Annotated[
        str | None, typer.Option("--ssh-key", metavar="KEY", help="The user's public SSH key, or its file.")
    ] = None,
    yes: Annotated[bool, typer.Option("-y", "--yes", help="Ask nothing; use the defaults.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
    debug: Debug = False,
) -> int:
    """Write a commented recipe: asks for release, layout, filesystem, size, host name and user, each with a default.

    An option answers its question in advance; without a terminal, imagebuild asks nothing. It checks each answer at
    once. With --from, the recipe comes from an image: its partitions, filesystems, volumes and boot menu, and its tree
    as the source. If the recipe needs edits before it can be built, imagebuild lists them.

    \b
    Examples:
      imagebuild init web.yaml
      imagebuild init web.yaml --layout hd00 --lvm --yes
      imagebuild init web.yaml --suite trixie --user ada --ssh-key id_ed25519.pub
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
        hostname=hostname, user=user, ssh_key=ssh_key, force=force,
    )  # fmt: skip
    ask = _take_default if yes or not sys.stdin.isatty() else _ask_on_terminal
    with watching(sys.stderr, transient=True) as progress:
        written = write_recipe(request, ask, Cache(), progress)
    if written.path is None:
        say_text(written.text, end="")
        return OK
    say_text(f"{path}: written")
    if written.key is not None:
        say_text(f"{written.key}: written")
    if written.trouble is not None:
        raise written.trouble
    say_text(f"next: imagebuild plan {path}, then imagebuild build {path}")
    return OK


def _take_default(question: Question, check: Callable[[str], str]) -> str:
    from imagebuild.errors import UsageError

    try:
        return check(question.default)
    except ValueError as error:
        raise UsageError(question.option, str(error)) from None


def _ask_on_terminal(question: Question, check: Callable[[str], str]) -> str:
    """Ask on stderr, so that stdout is the recipe's (`init -`). The first letters of an answer are enough."""
    import sys

    from imagebuild.errors import UsageError

    for line in question.reason.splitlines():
        say_text(line, stream=sys.stderr)
    shown = f" ({', '.join(question.choices)})" if question.choices else ""
    default = f" [{question.default}]" if question.default else ""
    while True:
        say_text(f"{question.text}{shown}{default}: ", end="", stream=sys.stderr)
        line = sys.stdin.readline()
        if not line:
            raise UsageError("init", "the input ended before the last answer; --yes uses the defaults")
        try:
            return check(line.strip() or question.default)
        except ValueError as error:
            say_text(f"  {error}", stream=sys.stderr)
