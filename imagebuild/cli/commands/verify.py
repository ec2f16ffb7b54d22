"""`verify`: any image that has a menu.lst, whoever made it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from imagebuild.cli.options import (
    AsJson,
    Debug,
    Demand,
    Expect,
    ForLoader,
    Memory,
    NoFallback,
    PvGrub,
    Quiet,
    Timeout,
    Verbose,
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
        typer.Option("-o", "--output", metavar="DIR", help="Write the report here (default: ./IMAGE.verify/)."),
    ] = None,
    loader: ForLoader = DEFAULT_LOADER,
    pv_grub: PvGrub = None,
    demand: Demand = None,
    timeout: Timeout = None,
    memory: Memory = None,
    expect: Expect = None,
    no_fallback: NoFallback = False,
    force: Annotated[
        bool, typer.Option("--force", help="Boot again even if a verdict for the same bytes is cached.")
    ] = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """Verify any image that has a /boot/grub/menu.lst, not only imagebuild's own. The image is never written.

    static reads it back (sfdisk, fsck, GRUB 0.97's shell, pygrub). qemu boots the kernel that its menu names. xen boots
    the whole chain through a PV-GRUB; if the menu has a fallback, once more with the default's kernel broken.
    bios and uefi start a PC from the boot code in the image, pvh is a Xen PVH guest. Without --with: static, xen, and
    bios and uefi if the image has boot code for them, else qemu. DIR then holds report.html, report.json, junit.xml,
    verify.log and the consoles.

    \b
    Examples:
      imagebuild verify out/debian-12-hd0/debian-12-hd0.raw
      imagebuild verify old-server.qcow2 --with static -o /tmp/old-server
      imagebuild verify appliance.raw --expect "ready to serve" --timeout 10min
    """

    from imagebuild.cli import summary
    from imagebuild.cli.ending import report_failure
    from imagebuild.cli.result_json import image_facts, print_json
    from imagebuild.cli.terminal import display_for, say, showing
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
    with showing(display_for(quiet=quiet, verbose=verbose, as_json=as_json)) as display:
        result = verify_any_image(request, context.obj.toolbox().verify, display)
    if result.failure:
        report_failure(result.failure, debug=debug)
    if as_json:
        print_json(image_facts(result.report, result.folder, seconds=result.seconds, exit_code=result.code))
    elif not quiet:
        say(summary.block(result.report, result.folder, result.seconds))
    return result.code
