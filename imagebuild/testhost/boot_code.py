"""GRUB 2's boot code for images: made of Debian's packages, into the cache, and never installed on this machine.

An entry holds for each platform (bootloaders/modes.py) the core and what else goes into an image, and `facts.json`:
versions and digests of packages and files. The packages are those of the Xen test host's suite; the same versions give
the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

from imagebuild.bootloaders.modes import CODES, BootCode
from imagebuild.bootloaders.pv_grub import MENU_PLACES
from imagebuild.events import Progress
from imagebuild.filesystems.table import FILESYSTEMS
from imagebuild.host import command
from imagebuild.host.cache import Cache
from imagebuild.host.cache_kinds import Kind
from imagebuild.host.digest import file_sha256
from imagebuild.plan.facts import BootCodeFacts, BootCodeFile
from imagebuild.testhost import definition, stand_in
from imagebuild.testhost.build import run_tool, unpack_packages
from imagebuild.testhost.origin import KEEP_RECORDS, Origin, keep_links_inside, read_origin
from imagebuild.testhost.tools import Tools

KIND: Kind = "grub"
# grub-mkimage and the libraries that it asks for come along.
_PACKAGES = ("grub-common", "libc6", *(code.package for code in CODES))
_SUMS = "var/lib/dpkg/unpacked/SHA256SUMS"
_KEEP_SUMS = f'(cd "$1/var/cache/apt/archives" && sha256sum *.deb) > "$1/{_SUMS}"'
_CONFIGURATION = "boot-code.cfg"
_FACTS = "facts.json"
# Raise when this module makes other files out of the same definition.
_FORMAT = 1


def configuration() -> str:
    """grub.cfg inside the cores."""
    paths = dict.fromkeys(at.path for at in MENU_PLACES if at.layout == "hd00" and at.is_first)
    return definition.data(_CONFIGURATION).replace("@PATHS@", " ".join(paths))


def digest() -> str:
    """The name of the cache entry: changes with all that it is made of but the packages' versions."""
    codes = [[code.platform, _modules(code), code.core, code.first] for code in CODES]
    parts = [_FORMAT, definition.SUITE, [pocket for pocket, _ in definition.POCKETS], _PACKAGES, codes, configuration()]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def find_boot_code(cache: Cache) -> tuple[Path, BootCodeFacts] | None:
    """The directory and its facts, where it has been made."""
    path = cache.find(KIND, digest())
    return (path, _facts(path)) if path else None


def get_boot_code(cache: Cache, progress: Progress) -> tuple[Path, BootCodeFacts, bool]:
    """The directory, its facts, and whether it was there already.

    Raises HostError when mmdebstrap is missing, VerifyError when the packages cannot be had or used.
    """

    def make(folder: Path) -> None:
        command.require("mmdebstrap", "mmdebstrap")
        tools = Tools(folder / "tools")
        hooks = (KEEP_RECORDS, _KEEP_SUMS)
        unpack_packages(tools.root, folder / "tmp", _PACKAGES, hooks, "the boot code", progress)
        keep_links_inside(tools.root)
        origin, sums = read_origin(tools.root), _package_sums(tools.root)
        files = [file for code in CODES for file in _make(code, tools, origin, sums, folder, progress)]
        facts = BootCodeFacts(files=tuple(files))
        (folder / _FACTS).write_text(facts.model_dump_json(indent=1), encoding="utf-8")
        shutil.rmtree(tools.root)

    path, cached = cache.get(KIND, digest(), make)
    return path, _facts(path), cached


def _modules(code: BootCode) -> list[str]:
    return sorted({*code.modules, *(item.grub2_module for item in FILESYSTEMS.values() if item.grub2_module)})


def _facts(folder: Path) -> BootCodeFacts:
    return BootCodeFacts.model_validate_json((folder / _FACTS).read_bytes())


def _make(
    code: BootCode, tools: Tools, origin: Origin, sums: dict[str, str], folder: Path, progress: Progress
) -> list[BootCodeFile]:
    """One platform's files, made in `folder`."""
    target = folder / code.platform
    target.mkdir()
    memdisk = folder / "memdisk.tar"
    memdisk.write_bytes(stand_in.memdisk_of(configuration()))
    options = ["--memdisk", str(memdisk), "--output", str(target / code.core), *_modules(code)]
    run_tool([*tools.grub_mkimage(code.platform), *options], f"making GRUB's core for {code.platform}", progress)
    memdisk.unlink()
    if code.first:
        (target / code.first).write_bytes(origin.read(tools.grub_modules(code.platform) / code.first))
    return [_fact(code, target / name, origin, sums) for name in (code.first, code.core) if name]


def _fact(code: BootCode, path: Path, origin: Origin, sums: dict[str, str]) -> BootCodeFile:
    version = origin.versions[code.package]
    return BootCodeFile(
        platform=code.platform,
        name=path.name,
        size_bytes=path.stat().st_size,
        sha256=file_sha256(path),
        package=code.package,
        version=version,
        package_sha256=sums[code.package],
    )


def _package_sums(tree: Path) -> dict[str, str]:
    """sha256 of each package's file by its name (sha256sum(1): digest, two blanks, NAME_VERSION_ARCH.deb)."""
    lines = (tree / _SUMS).read_text(encoding="utf-8").splitlines()
    return {name.partition("_")[0]: value for value, _, name in (line.partition("  ") for line in lines)}
