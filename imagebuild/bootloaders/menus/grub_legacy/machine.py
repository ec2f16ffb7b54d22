"""What an entry's lines change: the root device and what is loaded; and how a builtin ends an entry."""

from __future__ import annotations

from dataclasses import dataclass, field

from imagebuild.bootloaders.menus.grub_legacy.device import Device
from imagebuild.bootloaders.menus.grub_legacy.devices import Disks, Opened, file_name
from imagebuild.bootloaders.menus.grub_legacy.head import Config
from imagebuild.bootloaders.menus.trace import End, FileName, Loaded


@dataclass(frozen=True, slots=True)
class Boots:
    words: str


@dataclass(frozen=True, slots=True)
class Halts:
    words: str
    end: End


@dataclass(frozen=True, slots=True)
class Waits:
    """For any key, or (`asks`) for an answer that nobody gives."""

    words: str
    asks: bool = False


@dataclass(frozen=True, slots=True)
class LoadsMenu:
    """`configfile`: another menu is read, from `name`, relative to the root device `saved`."""

    words: str
    name: str
    opened: Opened
    saved: Device


Done = str | Boots | Halts | Waits | LoadsMenu


@dataclass(slots=True)
class Machine:
    """What an entry's lines change: the root device, and what is loaded. `kind` is kernel_type."""

    disks: Disks
    config: Config
    entry: int
    menu_name: str
    saved: Device
    kind: str | None = None  # pv, linux, multiboot, chainloader
    kernel: Opened | None = None
    loaded: Loaded = field(default_factory=Loaded)
    named: FileName | None = None

    @property
    def has_kernel(self) -> bool:
        return self.kind is not None

    def open(self, name: str) -> tuple[Opened, FileName]:
        asked = self.named = file_name(name, self.saved)
        opened = self.disks.open(name, self.saved)
        assert asked is not None
        return opened, asked
