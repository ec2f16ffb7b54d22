"""`shell`: look into an image."""

from __future__ import annotations

from typing import Annotated

import typer

from imagebuild.cli.options import AnyImage, Debug
from imagebuild.errors import OK


def shell(
    context: typer.Context,
    image: AnyImage,
    write: Annotated[bool, typer.Option("--write", help="Allow changes (default: read-only).")] = False,
    debug: Debug = False,
) -> int:
    """Browse an image's files: a guestfish shell with all its filesystems mounted, read-only unless you give --write.

    It also reads commands from a pipe. `help` lists them; ls, cat, find, download and edit are the usual ones.

    \b
    Examples:
      imagebuild shell out/web/web.raw
      echo 'cat /boot/grub/menu.lst' | imagebuild shell old-server.qcow2
    """

    from imagebuild.host.cache import Cache
    from imagebuild.operations.input_file import check_file
    from imagebuild.operations.shell import ShellRequest, open_shell

    check_file(image, "image")
    open_shell(ShellRequest(image=image, write=write), Cache())
    return OK
