"""`verify`: any image that has a menu.lst, whoever made it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from imagebuild.cli.options import (
    Debug,
    Demand,
    Expect,
    ForLoader,
    Memory,
    NoFallback,
    PvGrub,
    Timeout,
    With,
    boot_settings,
    chosen_machines,
)
from imagebuild.vocabulary import DEFAULT_LOADER


def verify(
    context: typer.Context,
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="A disk image of any format.", show_default=False)],
    machines: With = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="DIR", help="Where the report goes (default: ./IMAGE.verify/)."),
    ] = None,
    loader: ForLoader = DEFAULT_LOADER,
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
) -> int:
    """Verify any image that has a /boot/grub/menu.lst, not only imagebuild's own. The image is never written.

    static reads it back (sfdisk, fsck, GRUB 0.97's shell, pygrub); qemu boots the kernel that its menu names; xen
    goes the whole way through a PV-GRUB, and where the menu has a fallback, once more with the default's kernel broken.
    bios and uefi start a PC from the boot code in the image, pvh is a Xen PVH guest. Without --with: static, xen, and
    bios and uefi where the image has boot code for them, else qemu.
    DIR then holds report.html, report.json, junit.xml, verify.log, consoles.

    \b
    Examples:
      imagebuild verify out/debian-12-hd0/debian-12-hd0.raw
      imagebuild verify old-server.qcow2 --with static -o /tmp/old-server
      imagebuild verify appliance.raw --expect "ready to serve" --timeout 10min --memory 1GiB
    """

    from imagebuild.cli import summary
    from imagebuild.cli.ending import report_failure
    from imagebuild.cli.terminal import OnDemand, choose_display, say, showing
    from imagebuild.operations.verify import VerifyRequest, verify_any_image

    request = VerifyRequest(
        image=image,
        machines=chosen_machines(machines) or (),
        boot=boot_settings(timeout, memory, expect),
        output=output,
        loader=loader,
        pv_grub=pv_grub,
        demand=demand,
        fallback=not no_fallback,
        force=force,
        debug=debug,
    )
    with showing(OnDemand(choose_display)) as display:
        result = verify_any_image(request, context.obj.toolbox().verify, display)
    if result.failure:
        report_failure(result.failure, debug=debug)
    say(summary.block(result.report, result.folder, result.seconds))
    return result.code
