"""The recipe: the only definition of the user's language.

The JSON Schema, the validation messages and the reference page come from these models. All are frozen, and an
unknown key is an error. Field descriptions are what a user reads: keep them short and true.

Decisions where the sketch of the format was silent:
- `rootfs.tar`, `image` and `oci` are a path, or a mapping with `path` and more; relative paths count from the
  recipe's folder.
- `filesystem: ext4` is short for `filesystem: {type: ext4}`.
- a password is a hash (`hash`), or is taken at build time from the environment (`env`) or a file (`file`):
  one of the three, and none of them ever reaches a plan.
- `verify.xen: false` (or qemu) leaves that machine out; left out means "with defaults".
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from imagebuild.recipe import menu_texts
from imagebuild.recipe.disk import Disk, FilesystemSpec, LogicalVolume, Partition
from imagebuild.recipe.ec2 import Ec2
from imagebuild.recipe.rootfs import Debian, FileName, Rootfs, Tar
from imagebuild.recipe.system import CloudInit, Password, Script, ScriptOrName, System, User
from imagebuild.recipe.units import Duration, Size
from imagebuild.recipe.words import ImagePath, Name
from imagebuild.recipe.words import Model as _Model
from imagebuild.recipe.words import text as _text
from imagebuild.vocabulary import Architecture, BootLoader, BootMode, DiskBus, FilesystemType, Layout, OutputFormat

__all__ = ["Architecture", "Boot", "BootLoader", "CloudInit", "Debian", "Disk", "Ec2", "File", "FilesystemSpec",
           "FilesystemType", "Kernel", "Layout", "LogicalVolume", "Machine", "Partition", "Password", "Recipe",
           "Rootfs", "Script", "System", "Tar", "User", "Verify"]  # fmt: skip


class File(_Model):
    """A file to write into the tree."""

    path: ImagePath
    source: str | None = None
    """A file beside the recipe."""
    content: str | None = None
    """The file's text."""
    mode: Annotated[str, _text(r"^[0-7]{3,4}$", 'a mode is three or four octal digits in quotes, such as "0644"')] = (
        "0644"
    )
    """Octal, quoted."""

    @model_validator(mode="after")
    def _one_content(self) -> File:
        if (self.source is None) == (self.content is None):
            raise ValueError("exactly one of source and content is needed")
        return self


def _each_once(modes: tuple[BootMode, ...]) -> tuple[BootMode, ...]:
    if len(set(modes)) != len(modes):
        raise ValueError("each boot mode is named once")
    return modes


class Boot(_Model):
    """/boot/grub/menu.lst, as PV-GRUB (GRUB 0.97) reads it."""

    loader: BootLoader = "pv-grub"
    """The boot loader of the image; imagebuild builds only what this loader can read."""
    modes: Annotated[tuple[BootMode, ...], Field(min_length=1), AfterValidator(_each_once)] = ("pv",)
    """How machines are to start it: Xen PV and PVH guests, a PC's bios, uefi. bios and uefi need layout hd00."""
    timeout: Annotated[int, Field(ge=0, le=3600)] = 3
    """Seconds before the default entry starts."""
    default: Annotated[int, Field(ge=0)] = 0
    """The entry that starts, counted from 0."""
    fallback: Annotated[int, Field(ge=0)] | None = None
    """The entry that starts when the default fails."""
    command_line: Annotated[
        str, _text(r"^[^\n]*$", "a command line is one line", max_length=1024), AfterValidator(menu_texts.command_line)
    ] = "ro console=hvc0"
    """The kernel command line; root= is added. Left out: ro and the consoles of all modes."""
    kernels: tuple[Kernel, ...] = ()
    """Left out: every kernel found in the tree, newest first."""
    menu: Literal["fixed", "maintained"] = "fixed"
    """maintained: the image itself writes menu.lst again when its kernels come and go; fixed: nothing changes menu.lst,
    and apt keeps the kernels that it names."""
    repack: Literal["gzip"] | None = None
    """gzip: a kernel whose compression the loader cannot unpack (lz4, zstd) gets a second payload that it can."""


def _names(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


PackageFiles = Annotated[
    tuple[FileName, ...], BeforeValidator(_names, json_schema_input_type=str | tuple[FileName, ...]),
    Field(min_length=1, max_length=20),
]  # fmt: skip


class Kernel(_Model):
    """One entry of the menu: a kernel of the tree chosen by version, a package's, or files beside the recipe."""

    version: str | None = None
    """A shell pattern for the versions found in the tree, such as 6.1*."""
    title: Annotated[str, _text(r"^[^\n]+$", "a title is one line"), AfterValidator(menu_texts.title)] | None = None
    kernel: FileName | None = None
    """A kernel file beside the recipe."""
    initrd: FileName | None = None
    """Its initrd, beside the recipe."""
    deb: PackageFiles | None = None
    """A kernel's Debian package beside the recipe (several where it is split); its initrd is made in the tree."""
    rpm: PackageFiles | None = None
    """The same as an rpm package."""

    @property
    def files(self) -> tuple[str, ...]:
        """The files beside the recipe that make this kernel up; none for one of the tree."""
        return self.deb or self.rpm or tuple(name for name in (self.kernel, self.initrd) if name)

    @model_validator(mode="after")
    def _one_kind(self) -> Kernel:
        kinds = ("version", "kernel", "deb", "rpm")
        given = [name for name in kinds if getattr(self, name) is not None]
        if len(given) != 1:
            found = f", found {' and '.join(given)}" if given else ""
            raise ValueError(f"exactly one of version, kernel, deb and rpm is needed{found}")
        if self.initrd is not None and self.kernel is None:
            raise ValueError(
                "initrd needs kernel: a kernel found by version has its own, and a package's is made in the tree"
            )
        return self


class Machine(_Model):
    """One machine that boots the image."""

    timeout: Duration = timedelta(seconds=300)
    """Time limit on a machine of normal speed; longer on a slow one."""
    memory: Size = Field(default=512 * 2**20, validate_default=True)
    expect: Annotated[str, Field(min_length=1)] = "login:"
    """The text on the console that proves the boot."""


class PcMachine(Machine):
    """A PC that starts the image by its own boot code."""

    disk: DiskBus = "virtio"
    """How the disk is attached."""


def _machine(value: Any) -> Any:
    match value:
        case True | "true":  # as text it comes from a variable
            return {}
        case False | "false":
            return None
        case _:
            return value


MachineOrFalse = Annotated[Machine | None, BeforeValidator(_machine, json_schema_input_type=bool | Machine)]


PcMachineOrFalse = Annotated[PcMachine | None, BeforeValidator(_machine, json_schema_input_type=bool | PcMachine)]


class Verify(_Model):
    """How the finished image is verified."""

    qemu: MachineOrFalse = Machine()
    xen: MachineOrFalse = Machine()
    pvh: MachineOrFalse = Machine()
    """This and the next two only where boot.modes has the mode."""
    bios: PcMachineOrFalse = PcMachine()
    uefi: PcMachineOrFalse = PcMachine()
    fallback: bool = True
    """Where the menu has a fallback: boot once more under Xen with the default's kernel broken, to see it come up."""


def _no_box(value: Any) -> Any:
    if isinstance(value, str) and value.lower() in ("box", "vagrant", "vagrant.box", "iso"):
        raise ValueError(
            f"{value} is not possible: libvirt and VirtualBox start a disk with its own boot code, and an image for "
            "PV-GRUB has none (its loader is outside the image); allowed are raw, raw.zst, qcow2, vmdk, vhd"
        )
    return value


Output = Annotated[OutputFormat, BeforeValidator(_no_box)]


class Recipe(_Model):
    """The image."""

    name: Name
    """Name of the image and its files."""
    version: (
        Annotated[
            str,
            _text(
                r"^[A-Za-z0-9][A-Za-z0-9.+~_-]*$",
                "a version starts with a letter or digit and holds letters, digits and . + ~ _ -",
                max_length=64,
            ),
        ]
        | None
    ) = None
    architecture: Architecture = "x86_64"
    rootfs: Rootfs
    disk: Disk
    system: System = System()
    files: tuple[File, ...] = ()
    scripts: tuple[ScriptOrName, ...] = ()
    """Scripts to run inside the image's tree, in order; a file name alone is short for {run: NAME}."""
    boot: Boot = Boot()
    verify: Verify = Verify()
    ec2: Ec2 | None = None
    """How `imagebuild publish` publishes the image to Amazon EC2."""
    outputs: Annotated[tuple[Output, ...], Field(min_length=1)] = ("raw",)
    """Output formats: raw (always, because raw is what is verified), raw.zst, qcow2, vmdk, vhd."""
