"""Where the test host's files come from: Debian's packages, by the digests that these state, and from nowhere else.

The machine that makes a test host must not show in it: a verdict would then depend on the machine's release. Once the
ramdisk of dom0 held the machine's own dynamic loader, because `ld.so --list` names that by an absolute path.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from imagebuild.errors import VerifyError

_RECORDS = "var/lib/dpkg/unpacked"
# mmdebstrap's hook (--extract-hook) that keeps of each package its list of digests, as NAME_VERSION.md5sums.
KEEP_RECORDS = (
    f'mkdir -p "$1/{_RECORDS}"; for package in "$1"/var/cache/apt/archives/*.deb; do '
    """name=$(dpkg-deb --show --showformat='${Package}_${Version}' "$package"); """
    f'dpkg-deb --info "$package" md5sums >"$1/{_RECORDS}/$name.md5sums"; done'
)
# ld.so(8), --list: "\tlibc.so.6 => /path/libc.so.6 (0x7f…)", "\t/lib64/ld-linux-x86-64.so.2 (0x7f…)", and for the
# loader, when it is called by another name, "\t/lib64/ld-linux-x86-64.so.2 => /path/ld-linux-x86-64.so.2 (0x7f…)"
_LISTED = re.compile(r"^\s+(?:\S+ => )?(/\S+) \(0x[0-9a-f]+\)$")


@dataclass(frozen=True, slots=True)
class Origin:
    """The unpacked tree at `root`, the MD5 sums of its packages' files by path, and the packages' versions by name."""

    root: Path
    sums: dict[str, str]
    versions: dict[str, str]

    def read(self, path: Path) -> bytes:
        """The content of a file of the tree. Raises VerifyError when it is not as its package has it."""
        name = self.name(path)
        content = (self.root / name).read_bytes()
        if hashlib.md5(content, usedforsecurity=False).hexdigest() != self.sums.get(name):
            raise VerifyError(f"/{name} in the Xen test host is not as a Debian package has it", resolution=_REPORT)
        return content

    def name(self, path: Path) -> str:
        """The file that `path` leads to, relative to the tree. Raises VerifyError when it is outside: the machine's."""
        real, root = path.resolve(), self.root.resolve()
        if not real.is_relative_to(root):
            raise VerifyError(f"a file of this machine would get into the Xen test host: {path}", resolution=_REPORT)
        return str(real.relative_to(root))

    def check_all(self) -> None:
        """Raises VerifyError unless everything in the tree is a package's file, or a link to something in the tree."""
        for folder, _folders, files in os.walk(self.root):
            for path in (Path(folder) / file for file in files):
                self.read(path)


_REPORT = "please report this, with build.log"


def read_origin(root: Path) -> Origin:
    """What `KEEP_RECORDS` kept while the tree was unpacked (deb-md5sums(5); conffiles are not in it)."""
    sums: dict[str, str] = {}
    versions: dict[str, str] = {}
    for path in sorted((root / _RECORDS).glob("*.md5sums")):
        package, _, version = path.stem.partition("_")
        versions[package] = version
        for line in path.read_text(encoding="utf-8").splitlines():
            digest, _, name = line.partition("  ")
            sums[name] = digest
    return Origin(root, sums, versions)


def keep_links_inside(root: Path) -> None:
    """Make the tree's absolute links relative: followed from outside, they would lead to the machine's own files."""
    for folder, folders, files in os.walk(root):
        for path in (Path(folder) / name for name in (*folders, *files)):
            if path.is_symlink() and (target := path.readlink()).is_absolute():
                path.unlink()
                path.symlink_to(os.path.relpath(root / target.relative_to("/"), path.parent))


def remove_dangling_links(root: Path) -> None:
    """Remove links whose targets are gone, until none is left."""
    gone = [path for path in root.rglob("*") if path.is_symlink() and not path.exists()]
    for path in gone:
        path.unlink()
    if gone:
        remove_dangling_links(root)


def libraries(listing: str, loader: Path) -> list[Path]:
    """The files that `ld.so --list` printed. For the dynamic loader, which it names as the program does: `loader`."""
    found = [Path(match[1]) for line in listing.splitlines() if (match := _LISTED.match(line))]
    return [loader if path.name == loader.name else path for path in found]
