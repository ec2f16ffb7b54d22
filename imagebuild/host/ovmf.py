"""OVMF, the UEFI firmware for QEMU: where distributions put it."""

from __future__ import annotations

from pathlib import Path

from imagebuild.errors import HostError

PACKAGE = "ovmf"
# Code and empty variables: Debian's package, Fedora's and Arch's places of the same files.
_PLACES = (
    ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),
    ("/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"),
    ("/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd"),
)


def find_ovmf(places: tuple[tuple[str, str], ...] = _PLACES) -> tuple[Path, Path]:
    """OVMF's code, and its empty variables. Raises HostError where there is none."""
    for code, variables in places:
        if Path(code).is_file() and Path(variables).is_file():
            return Path(code), Path(variables)
    raise HostError(
        "OVMF, the UEFI firmware for QEMU, is not installed",
        resolution=f"install the Debian package {PACKAGE} (or run: make setup)",
    )
