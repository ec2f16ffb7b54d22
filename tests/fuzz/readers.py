"""Every reader of what strangers wrote: good inputs to start from, and the call that a verb makes of it.

A reader may refuse with an error of ours or with its own, documented one; anything else is a fault.
"""

from __future__ import annotations

import bz2
import contextlib
import gzip
import hashlib
import io
import json
import lzma
import os
import struct
import subprocess
import tarfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import zstandard
from pydantic import ValidationError

from imagebuild.bootloaders.menu import loader_path, parse_menu, write_menu
from imagebuild.bootloaders.menus import grub2_legacy, grub_legacy, pygrub
from imagebuild.bootloaders.menus.facts import EverythingThere
from imagebuild.errors import ImagebuildError
from imagebuild.filesystems.table import identify
from imagebuild.formats import elf, first_sectors, kernel_config, lvm, partition_table, root_argument
from imagebuild.formats.device_name import read_device_name
from imagebuild.formats.foreign import ForeignError
from imagebuild.formats.fstab import read_fstab
from imagebuild.formats.image_format import BACK_BYTES, FRONT_BYTES, image_format
from imagebuild.formats.initrd import InitrdError, behind_gzip, read_initrd
from imagebuild.formats.kernel_file import unwrap
from imagebuild.formats.repack import RepackError, with_gzip_payload
from imagebuild.formats.rpm import RpmError, read_record, read_rpm
from imagebuild.image.places import look_at_disk
from imagebuild.image.raw_view import raw_view
from imagebuild.plan.steps import TakeOci
from imagebuild.publish.ec2.manifest import Machine, Manifest, Part, read_manifest, write_manifest
from imagebuild.recipe.lock import PackageLock
from imagebuild.recipe.public_keys import public_keys
from imagebuild.report import Report
from imagebuild.rootfs import oci
from imagebuild.rootfs.facts import read_tree
from imagebuild.rootfs.kernel_files import _packages
from imagebuild.rootfs.oci_layers import merge_layers
from imagebuild.rootfs.packages import installed_packages
from tests import images
from tests.unit.rootfs import oci_layouts, package_files

REFUSALS = (ImagebuildError, InitrdError, RpmError, RepackError, ForeignError)
Read = Callable[[bytes, Path], object]


@dataclass(frozen=True, slots=True)
class Reader:
    """`read` is given the bytes and an empty directory. `programs`: foreign ones that it runs: it is slow."""

    seeds: Callable[[], tuple[bytes, ...]]
    read: Read
    programs: tuple[str, ...] = ()


def _tar(files: Mapping[str, bytes | tuple[bytes, str]], form: int) -> bytes:
    """Regular files, and (type, target) for anything else; a pax archive has attributes, times and an odd name, too."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form, encoding="utf-8", errors="surrogateescape") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.mtime = 1_600_000_000.25 if form == tarfile.PAX_FORMAT else 1_600_000_000
            if form == tarfile.PAX_FORMAT:
                info.pax_headers = {"SCHILY.xattr.user.x": "1", "SCHILY.xattr.security.capability": "\1\0\0\2"}
            if isinstance(content, tuple):
                info.type, info.linkname = content
                tar.addfile(info)
                continue
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


_TREE: dict[str, bytes | tuple[bytes, str]] = {
    "./": (tarfile.DIRTYPE, ""), "./etc": (tarfile.DIRTYPE, ""), "./boot": (tarfile.DIRTYPE, ""),
    "./etc/passwd": b"root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/home/user:/bin/sh\n",
    "./etc/group": b"root:x:0:\nusers:x:100:user\n", "./etc/os-release": b"ID=debian\n",
    "./etc/hosts": b"127.0.0.1 a\n",
    "./var/lib/dpkg/status": b"Package: a\nStatus: install ok installed\nVersion: 1\nArchitecture: amd64\n\n",
    f"./boot/vmlinuz-{images.RELEASE}": images.kernel(), f"./boot/initrd.img-{images.RELEASE}": images.initrd(),
    f"./boot/config-{images.RELEASE}": b"CONFIG_XEN=y\nCONFIG_XEN_PV=y\n",
    "./bin": (tarfile.SYMTYPE, "usr/bin"), "./etc/hard": (tarfile.LNKTYPE, "./etc/hosts"),
    "./dev": (tarfile.DIRTYPE, ""), "./dev/null": (tarfile.CHRTYPE, ""), "./run/f": (tarfile.FIFOTYPE, ""),
    "./" + "long/" * 40 + "name": b"x",
}  # fmt: skip
_GNU, _PAX = _tar(_TREE, tarfile.GNU_FORMAT), _tar(_TREE, tarfile.PAX_FORMAT)
_SMALL = _tar({"./etc/passwd": b"root:x:0:0:root:/root:/bin/sh\n"}, tarfile.PAX_FORMAT)


_SPARSE = ("GNU.sparse.major=1", "GNU.sparse.minor=0", "GNU.sparse.name=hole", "GNU.sparse.realsize=9000")


def _sparse() -> bytes:
    """GNU tar's own map of a file with holes, in pax form 1.0."""
    pax = "".join(f"{len(text) + 3} {text}\n" for text in _SPARSE)
    header = tarfile.TarInfo("GNUSparseFile.0/hole")
    content = b"2\n0\n512\n8000\n1000\n".ljust(512, b"\0") + bytes(1512)
    header.size = len(content)
    extended = tarfile.TarInfo("pax")
    extended.type, extended.size = tarfile.XHDTYPE, len(pax)
    return (extended.tobuf(tarfile.USTAR_FORMAT) + pax.encode().ljust(512, b"\0") + header.tobuf(tarfile.USTAR_FORMAT)
            + content.ljust(2048, b"\0") + bytes(1024))  # fmt: skip


def _archive(data: bytes, folder: Path) -> None:
    path = folder / "tree.tar"
    path.write_bytes(_with_checksums(data) if zlib.crc32(data) % 2 else data)
    read_tree(path, "0" * 64)


def _with_checksums(data: bytes) -> bytes:
    """The archive with right checksums in all that looks like a header: else most mutations end there."""
    changed = bytearray(data)
    for at in range(0, len(data) - 511, 512):
        block = changed[at : at + 512]
        if block[257:262] == b"ustar":
            block[148:156] = b" " * 8
            changed[at + 148 : at + 156] = b"%06o\0 " % sum(block)
    return bytes(changed)


def _accounts(data: bytes, folder: Path) -> None:
    _archive(
        _tar({"./etc/passwd": data, "./etc/group": data, "./var/lib/dpkg/status": data}, tarfile.GNU_FORMAT), folder
    )
    installed_packages(data.decode("utf-8", "replace"), data.decode("utf-8", "replace"))


_LAYERS = [
    oci_layouts.layer_bytes([oci_layouts.file("etc/a", b"1"), oci_layouts.file("etc/b", b"2")]),
    oci_layouts.layer_bytes([oci_layouts.file("etc/.wh.a"), oci_layouts.file("etc/c", b"3")]),
]
_STEP = TakeOci(path="", tag="t", architecture="x86_64")


_CONFIG = json.dumps({"architecture": "amd64", "os": "linux"}).encode()


def _described(data: bytes, media_type: str) -> dict[str, object]:
    return {"mediaType": media_type, "digest": f"sha256:{hashlib.sha256(data).hexdigest()}", "size": len(data)}


def _manifest_of(layers: list[bytes]) -> bytes:
    listed = [_described(layer, oci_layouts.LAYER) for layer in layers]
    return json.dumps({"schemaVersion": 2, "config": _described(_CONFIG, "config"), "layers": listed}).encode()


def _index_of(manifest: bytes) -> bytes:
    named = _described(manifest, oci_layouts.MANIFEST) | {"platform": {"os": "linux", "architecture": "amd64"}}
    return json.dumps({"schemaVersion": 2, "manifests": [oci_layouts.tagged(named, "t")]}).encode()


def _layout(folder: Path, index: bytes | None, manifest: bytes | None, layer: bytes | None) -> None:
    """A layout in which one part is what the fuzzer made, and every digest fits."""
    layers = [_LAYERS[0], _LAYERS[1] if layer is None else _with_checksums(layer)]
    manifest = _manifest_of(layers) if manifest is None else manifest
    for data in (*layers, _CONFIG, manifest):
        oci_layouts.put_blob(folder, data, "")
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (folder / "index.json").write_bytes(_index_of(manifest) if index is None else index)
    merge_layers(oci.find_image(_STEP, folder).layers, folder / "merged.tar")


_MENU = b"""default 0
timeout 5
fallback 1 2
hiddenmenu
password --md5 $1$x$y
color light-gray/blue black/light-gray
title Debian GNU/Linux, kernel 6.1
root (hd0,0)
kernel /boot/vmlinuz-6.1 root=UUID=1-2 ro console=hvc0
initrd /boot/initrd.img-6.1
savedefault
title Xen
root (hd0)
kernel /xen.gz dom0_mem=512M
module /vmlinuz root=/dev/sda1
title Chain
rootnoverify (hd0,4,a)
chainloader (hd1,0)/x+1
configfile /boot/grub/other.lst
"""


def _menu(data: bytes, folder: Path) -> None:
    menu = parse_menu(data.decode("utf-8", "replace"))
    parse_menu(write_menu(menu))
    for entry in menu.entries:
        loader_path(entry.kernel or "", entry.root)
        root_argument.root_argument(entry.arguments)
    for partitioned in (False, True, None):
        files = EverythingThere(partitioned)
        grub_legacy.interpret(data, "/boot/grub/menu.lst", files)
        grub2_legacy.interpret(data, "hd0,1" if partitioned else "hd0", files)
        pygrub.interpret(data, 0, 0 if partitioned else None, files)


_BUNDLE = write_manifest(
    Manifest(
        machine=Machine("x86_64", "aki-1", None, (("ami", "sda1"),), ("ABC",)), name="image", account="123456789012",
        digest="0" * 40, size_bytes=2**30, bundled_bytes=2**20, ec2_key="00", user_key="00", ec2_iv="00", user_iv="00",
        parts=tuple(Part(f"image.part.{number:02}", "0" * 40) for number in range(3)),
    ),
    lambda text: "00" * 128,
)  # fmt: skip


def _initrd(data: bytes, folder: Path) -> None:
    behind_gzip(data)
    read_initrd(data)


def _kernel(data: bytes, folder: Path) -> None:
    unwrap(data)
    elf.read_program(data)
    kernel_config.is_xen_pv(data.decode("latin-1"))
    with_gzip_payload(data)


def _superblock(kind: str, *argv: str) -> bytes:
    """A real one, made by its own program; None of the content behind it is read."""
    with contextlib.ExitStack() as stack:
        path = Path(stack.enter_context(TemporaryDirectory())) / kind
        with path.open("wb") as file:
            file.truncate(320 * 2**20)
        subprocess.run([*argv, str(path)], check=True, capture_output=True)
        with path.open("rb") as file:
            return file.read(0x11000)


def _ext(data: bytes, folder: Path) -> None:
    identify(data)
    first_sectors.read_first_sectors(data, len(data))
    partition_table.odd_flags(data)


_LVM = (
    b'vg0 {\nid = "a-b"\nseqno = 1\nextent_size = 8192\nphysical_volumes {\npv0 {\nid = "u-u"\npe_start = 2048\n}\n}\n'
    b'logical_volumes {\nroot {\nsegment_count = 1\nsegment1 {\nstart_extent = 0\nextent_count = 10\ntype = "striped"\n'
    b'stripes = [\n"pv0", 0\n]\n}\n}\n}\n}\n'
)


def _lvm(data: bytes, folder: Path) -> None:
    """The text, behind a label and a header that lead to it; and the bytes as they are."""
    lvm.read_group(data)
    lvm.read_label(data)
    head = bytearray(4096)
    head[512:520], head[536:544] = b"LABELONE", b"LVM2 001"
    struct.pack_into("<I", head, 532, 32)
    struct.pack_into("<QQQQQQ", head, 512 + 32 + 40, 2**20, 0, 0, 0, 4096, 2**20)
    area = bytearray(512)
    area[4:20] = b" LVM2 x[5A%r0N*>"
    struct.pack_into("<QQ", area, 40, 512, len(data))
    lvm.read_group(bytes(head) + bytes(area) + data)


def _disk(data: bytes, folder: Path) -> None:
    """A disk of 64 MiB whose beginning is what the fuzzer made, as sfdisk and we read it."""
    path = folder / "disk.raw"
    path.write_bytes(data)
    os.truncate(path, 64 * 2**20)
    first_sectors.read_first_sectors(data[: first_sectors.NEEDED_BYTES], 64 * 2**20)
    look_at_disk(path)


def _table(label: str) -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "disk"
        with path.open("wb") as file:
            file.truncate(64 * 2**20)
        subprocess.run(["sfdisk", "-q", str(path)], input=f"label: {label}\n,10M\n,20M\n,\n".encode(), check=True,
                       capture_output=True)  # fmt: skip
        with path.open("rb") as file:
            return file.read(20 * 1024)


def _converted(form: str, *options: str) -> bytes:
    with TemporaryDirectory() as folder:
        raw, made = Path(folder) / "raw", Path(folder) / "made"
        raw.write_bytes(images.noise(70_000) + bytes(2**20 - 70_000))
        subprocess.run(["qemu-img", "convert", "-O", form, *options, str(raw), str(made)], check=True)
        return made.read_bytes()


def _image(data: bytes, folder: Path) -> None:
    path = folder / "image"
    path.write_bytes(data)
    image_format(data[:FRONT_BYTES], data[-BACK_BYTES:], len(data))
    raw_view(path, folder)


def _rpm(data: bytes, folder: Path) -> None:
    path = folder / "package"
    path.write_bytes(data)
    for read in (read_rpm, read_record):
        with contextlib.suppress(RpmError):
            read(data)
    _packages([path])


def _texts(data: bytes, folder: Path) -> None:
    text = data.decode("utf-8", "replace")
    read_fstab(text)
    kernel_config.is_xen_pv(text)
    kernel_config.built_in(text, ("ext4",))
    for line in text.splitlines():
        for word in line.split():
            read_device_name(word)
    with contextlib.suppress(ValueError):
        public_keys(data)


def _json(data: bytes, folder: Path) -> None:
    for model in (Report, PackageLock):
        with contextlib.suppress(ValidationError):
            model.model_validate_json(data)


_FSTAB = (b"UUID=1111-22 / ext4 defaults,noatime 0 1\n"
          b"/dev/mapper/vg0-root /var xfs rw 1 2\nLABEL=a\\040b none swap sw 0 0\n"
          b"PARTUUID=1234-01/PARTNROFF=1 /mnt btrfs subvol=@ 0 0\n/dev/disk/by-id/dm-name-a /a auto x 0 0\n"
          b"202:1 /b ext3\n"
          b"/dev/disk/by-path/xen-vbd-51712-part1 /c ext3 defaults 0 0\n/dev/nvme0n1p1 /d ext2\n")  # fmt: skip
_PACKAGE_FILES: package_files.Files = {
    "boot": None,
    f"boot/vmlinuz-{images.RELEASE}": images.kernel(),
    "bin": "usr/bin",
}


def _spin(data: bytes, folder: Path) -> None:
    while True:
        pass


READERS: dict[str, Reader] = {
    "archive": Reader(lambda: (_GNU, _PAX, _SMALL, _sparse()), _archive),
    "packed archive": Reader(
        lambda: (gzip.compress(_SMALL), bz2.compress(_SMALL), lzma.compress(_SMALL), zstandard.compress(_SMALL),
                 lzma.compress(_SMALL, lzma.FORMAT_ALONE)), _archive),
    "oci index": Reader(lambda: (_index_of(_manifest_of(_LAYERS)),), lambda data, at: _layout(at, data, None, None)),
    "oci manifest": Reader(lambda: (_manifest_of(_LAYERS),), lambda data, at: _layout(at, None, data, None)),
    "oci layer": Reader(lambda: (_LAYERS[1],), lambda data, at: _layout(at, None, None, data)),
    "passwd": Reader(lambda: (b"root:x:0:0:root:/root:/bin/sh\nusers:x:100:user\n",), _accounts),
    "menu": Reader(lambda: (_MENU,), _menu),
    "manifest": Reader(lambda: (_BUNDLE,), lambda data, at: read_manifest(data)),
    "initrd": Reader(
        lambda: (images.initrd(), gzip.decompress(images.initrd()), lzma.compress(b"070701" * 99)), _initrd),
    "bzImage": Reader(
        lambda: (images.kernel(), images.kernel(payload=gzip.compress(b"\x7fELF" + bytes(999))),
                 images.xen_elf("linux"), gzip.compress(images.xen_elf("linux", wide=False))), _kernel),
    "superblocks": Reader(
        lambda: (_superblock("ext4", "mke2fs", "-q", "-t", "ext4"), _superblock("xfs", "mkfs.xfs", "-q"),
                 _superblock("btrfs", "mkfs.btrfs", "-q")), _ext, ("mke2fs", "mkfs.xfs", "mkfs.btrfs")),
    "lvm": Reader(lambda: (_LVM,), _lvm),
    "package": Reader(lambda: (package_files.deb(_PACKAGE_FILES),), _rpm),
    "fstab": Reader(lambda: (_FSTAB,), _texts),
    "report": Reader(lambda: (b'{"image": {"path": "a", "size_bytes": 1}, "checks": []}',), _json),
    "partition tables": Reader(lambda: (_table("dos"), _table("gpt")), _disk, ("sfdisk",)),
    "qcow2": Reader(
        lambda: (_converted("qcow2"), _converted("qcow2", "-o", "compat=0.10"), _converted("vmdk"), _converted("vpc"),
                 _converted("vdi")), _image, ("qemu-img",)),
}  # fmt: skip
SABOTAGED: dict[str, Reader] = {
    "bad error": Reader(lambda: (b"x",), lambda data, at: 1 // 0),
    "too much memory": Reader(lambda: (b"x",), lambda data, at: bytes(2**30)),
    "too slow": Reader(lambda: (b"x",), _spin),
}
"""As bad as can be: what the harness is tested on."""
