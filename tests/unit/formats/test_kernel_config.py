"""Whether a kernel can be a Xen PV guest, by its configuration: lines as each era of Linux wrote them."""

from __future__ import annotations

import pytest

from imagebuild.formats.kernel_config import is_xen_pv

CASES = {
    "Debian 12, x86_64": ("CONFIG_XEN=y\nCONFIG_XEN_PV=y\nCONFIG_XEN_PVHVM=y\n", True),
    "Debian 12's cloud flavour": ("# CONFIG_XEN is not set\nCONFIG_X86_64=y\n", False),
    "PV switched off": ("CONFIG_XEN=y\n# CONFIG_XEN_PV is not set\nCONFIG_XEN_PVHVM=y\n", False),
    "Debian 9, Linux 4.9": ("CONFIG_XEN=y\nCONFIG_XEN_DOM0=y\nCONFIG_XEN_PVHVM=y\nCONFIG_XEN_512GB=y\n", True),
    "Debian 7 and RHEL 6, 2.6.32 to 3.16": ("CONFIG_XEN=y\nCONFIG_XEN_PVHVM=y\nCONFIG_XEN_SAVE_RESTORE=y\n", True),
    "SLES 11's default flavour": ("CONFIG_XEN=y\nCONFIG_XEN_PVHVM=y\n", True),
    "RHEL 5's xen flavour": ("CONFIG_X86_64_XEN=y\nCONFIG_XEN=y\n", True),
    "SUSE's classic i386": ("CONFIG_X86_XEN=y\nCONFIG_XEN=y\n", True),
    "i386 since 5.9: HVM only": ("CONFIG_XEN=y\nCONFIG_XEN_PVHVM=y\nCONFIG_XEN_PVHVM_SMP=y\n", False),
    "no Xen at all": ("CONFIG_SMP=y\n", False),
    "no configuration": ("hello\n", None),
}


@pytest.mark.parametrize("name", CASES)
def test_xen_pv(name: str) -> None:
    config, answer = CASES[name]
    assert is_xen_pv(config) is answer
