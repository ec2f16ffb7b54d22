"""`boot`: sit at an image's console."""

from __future__ import annotations

from typing import Annotated

import typer

from imagebuild.cli.options import AnyImage, Debug, Memory, PvGrub, boot_settings
from imagebuild.cli.output import say_text
from imagebuild.errors import OK, UsageError
from imagebuild.vocabulary import BootMode


def boot(
    context: typer.Context,
    image: AnyImage,
    mode: Annotated[
        BootMode | None,
        typer.Option("--mode", help="By its own boot code on a PC (bios, uefi), or as a Xen guest (pv, pvh)."),
    ] = None,
    xen: Annotated[bool, typer.Option("--xen", help="The same as --mode pv.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Write changes to the image (default: discard them).")] = False,
    pv_grub: PvGrub = None,
    memory: Memory = None,
    debug: Debug = False,
) -> int:
    """Boot an image and use its console. Changes are discarded at the end, unless you give --keep.

    Without --mode, QEMU starts the kernel that the image's menu.lst names. Ctrl-A X ends the machine, and so does
    `poweroff` in the guest. The exit code is 0 however the machine ended.

    \b
    Examples:
      imagebuild boot out/web/web.raw
      imagebuild boot out/web/web.raw --mode uefi
      imagebuild boot old-server.qcow2 --xen --memory 1GiB
    """

    import sys

    from imagebuild.cli.terminal import choose_display, showing
    from imagebuild.host.cache import Cache
    from imagebuild.operations.boot import BootRequest, boot_image
    from imagebuild.operations.input_file import check_file
    from imagebuild.operations.journal import Journal

    check_file(image, "image")
    if pv_grub:
        check_file(pv_grub, "PV-GRUB")
    memory_bytes = boot_settings(None, memory, None).memory_bytes
    if xen and mode not in (None, "pv"):
        raise UsageError("--xen", f"found --mode {mode} as well; --xen is --mode pv: leave one out")
    chosen = mode or ("pv" if xen else None)
    request = BootRequest(image=image, memory_bytes=memory_bytes, mode=chosen, keep=keep, pv_grub=pv_grub)
    with showing(choose_display(sys.stderr)) as display:

        def on_start() -> None:
            display.close()
            end = "the guest writes into the image" if keep else "changes are discarded"
            say_text(f"{image}: booting; {end}; Ctrl-A X ends the machine", stream=sys.stderr)

        boot_image(request, Cache(), Journal(display), on_start)
    return OK
