"""The loader of Xen PVH guests: GRUB 2's core for i386-xen_pvh, reading menu.lst as the stand-in for PV-GRUB does.

It belongs to the host, as PV-GRUB does; the image needs nothing for it. Made of the test host's own GRUB modules, into
an entry of its own, so that the test host stays as it is.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from imagebuild.events import Progress
from imagebuild.host.cache import Cache
from imagebuild.host.cache_kinds import Kind
from imagebuild.testhost import definition, stand_in
from imagebuild.testhost.build import TestHost, run_tool
from imagebuild.vocabulary import Layout

KIND: Kind = "grub"
PLATFORM = "i386-xen_pvh"
# Raise when this module makes other files out of the same definition.
_FORMAT = 1


def pvh_loader(host: TestHost, layout: Layout, cache: Cache, progress: Progress) -> Path:
    """The loader for that layout, made if need be. Raises VerifyError when GRUB's own tool fails."""

    def make(folder: Path) -> None:
        modules, source = definition.LOADER_MODULES, host.tools.grub_modules(PLATFORM)
        memdisk = stand_in.memdisk(source, modules, definition.loader_configuration(layout), PLATFORM)
        (folder / "memdisk.tar").write_bytes(memdisk)
        options = ["--memdisk", str(folder / "memdisk.tar"), "--output", str(folder / "core"), *modules]
        run_tool([*host.tools.grub_mkimage(PLATFORM), *options, "memdisk", "tar"], "making the PVH loader", progress)
        (folder / "memdisk.tar").unlink()

    key = [_FORMAT, PLATFORM, host.folder.name, layout]
    digest = hashlib.sha256(json.dumps(key).encode()).hexdigest()
    return cache.get(KIND, digest, make)[0] / "core"
