"""A look into an image's filesystems, on this terminal. Thin: guestfish does the work."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from imagebuild.errors import OK, BuildError
from imagebuild.host import command
from imagebuild.host.acceleration import accelerator
from imagebuild.host.cache import Cache
from imagebuild.host.guest import appliance_cache
from imagebuild.image.raw_view import disk_format_of


@dataclass(frozen=True, slots=True, kw_only=True)
class ShellRequest:
    """`write`: changes are allowed."""

    image: Path
    write: bool = False


def open_shell(request: ShellRequest, cache: Cache) -> None:
    """guestfish with the image's filesystems mounted, until it ends. Raises HostError, BuildError when it fails."""
    command.require("guestfish", "guestfish")
    settings = {"LIBGUESTFS_BACKEND": "direct", "LIBGUESTFS_CACHEDIR": str(appliance_cache())}
    if accelerator(cache) == "tcg":
        settings["LIBGUESTFS_BACKEND_SETTINGS"] = "force_tcg"
    access = "--rw" if request.write else "--ro"
    image = [f"--format={disk_format_of(request.image)}", "-a", str(request.image.absolute())]
    code = command.foreground(["guestfish", access, *image, "-i"], environment=settings)
    if code != OK:
        raise BuildError(f"guestfish ended with {code}", resolution="see its message above")
