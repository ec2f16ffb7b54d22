"""The shape of what is known about a family of distributions, and about a tool that makes initrds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from imagebuild.vocabulary import InitrdTool


class Wanted(Protocol):
    """The initrd to make: paths in the tree, the modules that it must hold, `lvm`: and the lvm tools."""

    @property
    def kernel(self) -> str: ...
    @property
    def kernel_version(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def modules(self) -> tuple[str, ...]: ...
    @property
    def lvm(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Tool:
    """A program that makes initrds. `programs`: where it lies in a tree that has it.

    `configuration_path`: the file that tells it, for good, which modules the image needs; `configure`: what stands in
    that file then, from what stood there before (empty where there was none); `argv`: to be run in the tree.
    """

    name: InitrdTool
    programs: tuple[str, ...]
    configuration_path: str
    configure: Callable[[Wanted, str], str]
    argv: Callable[[Wanted], list[str]]


@dataclass(frozen=True, slots=True)
class Family:
    """`ids`: what os-release calls its members (ID, ID_LIKE). `initrd`: the name of an initrd, by the tool's.

    `advice`: what gives the tree a tool for initrds. `release_words`: a pattern of its release file, for trees from
    before os-release. `grub_conf`: its tools write kernels into /boot/grub/grub.conf, with menu.lst a link to it:
    imagebuild makes grub.conf the link, so that both names lead to the one menu. `debian_packages`: packages have the
    names that Debian gives them.
    """

    name: str
    ids: tuple[str, ...]
    initrd: Mapping[InitrdTool, str]
    advice: str
    release_words: str = ""
    grub_conf: bool = False
    debian_packages: bool = False
