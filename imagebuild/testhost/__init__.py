"""The Xen test host: a hypervisor, a dom0 and boot loaders, made once by imagebuild itself and kept in its cache.

    definition.py    what it is made of, as data, and the digest of all that
    build.py         makes the cache entry: unpacks Debian packages, takes dom0's initial ramdisk out of them
    origin.py        where each of its files comes from: a package, never the machine
    stand_in.py      the modules and settings inside the loader that stands in for PV-GRUB
    pvh.py           the loader of PVH guests, made of the same GRUB
    boot_code.py     GRUB's boot code for images, made of Debian's packages into an entry of its own
    initramfs.py     the archive format of that ramdisk
    tools.py         how the unpacked programs (Xen's tools, GRUB 0.97's shell, grub-fstest) run without being installed
    dom0-init.sh, dom0-block.sh, stand-in.cfg, boot-code.cfg    what runs inside

dom0 lives wholly in its initial ramdisk (about 10 MB): it needs no disk, and so no root, no owners, no overlay.
"""

from imagebuild.testhost.build import TestHost, find, prepare
from imagebuild.testhost.tools import Tools
from imagebuild.vocabulary import Layout

__all__ = ["Layout", "TestHost", "Tools", "find", "prepare"]
