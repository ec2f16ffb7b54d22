"""GRUB 0.97's errors (stage2/shared.h, grub_error_t; the words of stage2/common.c)."""

from __future__ import annotations

from imagebuild.bootloaders.menus.trace import LoaderError

_WORDS = (
    "",
    "Filename must be either an absolute pathname or blocklist",
    "Bad file or directory type",
    "Bad or corrupt data while decompressing file",
    "Bad or incompatible header in compressed file",
    "Partition table invalid or corrupt",
    "Mismatched or corrupt version of stage1/stage2",
    "Loading below 1MB is not supported",
    "Kernel must be loaded before booting",
    "Unknown boot failure",
    "Unsupported Multiboot features requested",
    "Unrecognized device string",
    "Invalid device requested",
    "Invalid or unsupported executable format",
    "Filesystem compatibility error, cannot read whole file",
    "File not found",
    "Inconsistent filesystem structure",
    "Cannot mount selected partition",
    "Selected cylinder exceeds maximum supported by BIOS",
    "Linux kernel must be loaded before initrd",
    "Multiboot kernel must be loaded before modules",
    "Selected disk does not exist",
    "No such partition",
    "Error while parsing number",
    "Attempt to access block outside partition",
    "Disk read error",
    "Too many symbolic links",
    "Unrecognized command",
    "Selected item cannot fit into memory",
    "Disk write error",
    "Invalid argument",
    "File is not sector aligned",
    "Must be authenticated",
    "Device not initialized yet",
    "No spare sectors on the disk",
    "Overflow while parsing number",
)


def error(number: int) -> LoaderError:
    """The error with GRUB 0.97's words."""
    return LoaderError(number, _WORDS[number] if number < len(_WORDS) else "unknown error")


class BuiltinError(Exception):
    """A builtin has set errnum. Never leaves the interpreter."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class CannotJudgeError(Exception):
    """What a builtin does cannot be told from outside. Never leaves the interpreter."""
