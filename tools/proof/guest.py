"""A Linux that boots in seconds: a distribution's kernel, and an initial ramdisk that mounts the root and says login.

What is proved with it is the way from the boot loader to the root filesystem. It is as picky as a distribution's own
ramdisk: without the disk's driver, the filesystem's driver, the named root or the file on it, no login is offered.
"""

from __future__ import annotations

import bz2
import functools
import gzip
import lzma
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import lz4.block
import zstandard

from imagebuild.formats.compression import compression_of
from imagebuild.testhost import TestHost, initramfs
from imagebuild.testhost.build import module_order

# A file of the root filesystem that init wants to see.
WITNESS = "etc/proof"
WITNESS_CONTENT = b"this root was mounted\n"
_INIT = b"""#!/bin/busybox sh
export PATH=/bin
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
give_up() {
    echo "ALERT! $1. Dropping to a shell!"
    printf "\\n(initramfs) "
    sleep 100000
}
[ -z "$(tr -d '\\000' < /zeros)" ] || give_up "the zeros of this ramdisk were read as something else: /zeros"
for name in $(cat /modules); do
    insmod /lib/modules/*/kernel/$name || echo "proof: $name cannot be loaded"
done
for word in $(cat /proc/cmdline); do
    case $word in root=*) root=${word#root=} ;; esac
done
tries=0
device=
while [ $tries -lt 20 ]; do
    case $root in
        UUID=*|LABEL=*) device=$(findfs $root) ;;
        *) [ -b $root ] && device=$root ;;
    esac
    [ -n "$device" ] && break
    sleep 0.2
    tries=$((tries + 1))
done
[ -n "$device" ] || give_up "$root does not exist"
mount -o ro $device /root || give_up "$root ($device) does not exist as a filesystem"
grep -q mounted /root/@WITNESS@ || give_up "/@WITNESS@ does not exist"
echo "proof: the root is $device"
printf "\\nproof login: "
sleep 100000
"""
_DRIVERS = {
    "ext": ("crc32c_generic", "ext4"),
    "xfs": ("crc32c_generic", "xfs"),
    "reiserfs": ("reiserfs",),
    "btrfs": ("crc32c_generic", "btrfs"),
}
_LZ4_BLOCK = 8 * 2**20
_EI_CLASS, _E_MACHINE = 4, 18


@dataclass(frozen=True, eq=False)
class Guest:
    """Kernel and ramdisk of one release. `kernel` is the distribution's own file."""

    release: str
    kernel: bytes
    _busybox: bytes
    _modules: Path

    @functools.cached_property
    def vmlinux(self) -> bytes:
        """The kernel proper, an ELF file. Four bytes behind what was packed are no part of it (`_with_payload`)."""
        start, length = self._payload
        payload = self.kernel[start : start + length]
        packed = compression_of(payload)
        assert packed in ("xz", "zstd"), f"Debian 12 packs its kernels with xz, Debian 13 with zstd; this one: {packed}"
        if packed == "xz":
            return lzma.LZMADecompressor().decompress(payload)
        return zstandard.ZstdDecompressor().decompressobj().decompress(payload)

    @functools.cached_property
    def _payload(self) -> tuple[int, int]:
        offset, length = struct.unpack_from("<II", self.kernel, 0x248)
        return (self.kernel[0x1F1] + 1) * 512 + offset, length

    def repacked(self, compression: str) -> bytes:
        """The same kernel with another compression of its payload; what runs it natively is not kept."""
        return self._with_payload(_PACKERS[compression](self.vmlinux))

    @functools.cached_property
    def gzipped(self) -> bytes:
        """What most images here boot: a loader under emulation unpacks gzip in a fifth of the time of xz."""
        return self.repacked("gzip")

    def i386(self) -> bytes:
        """A kernel that says, in both of its headers, that it is for i386."""
        elf = bytearray(self.vmlinux[:4096])
        elf[_EI_CLASS] = 1
        struct.pack_into("<H", elf, _E_MACHINE, 3)
        kernel = bytearray(self._with_payload(gzip.compress(bytes(elf) + self.vmlinux[4096 : 2**20], 1, mtime=0)))
        struct.pack_into("<H", kernel, 0x236, 0)
        return bytes(kernel)

    def _with_payload(self, packed: bytes) -> bytes:
        """Four bytes behind the payload tell its unpacked length, as the kernel's own build writes them."""
        start, _length = self._payload
        payload = packed + struct.pack("<I", len(self.vmlinux))
        kernel = bytearray(self.kernel[:start] + payload)
        struct.pack_into("<I", kernel, 0x24C, len(payload))
        struct.pack_into("<I", kernel, 0x1F4, -(-len(kernel) // 16))
        return bytes(kernel)

    def initrd(self, root: str = "ext", *, without: tuple[str, ...] = (), zeros: int = 0) -> bytes:
        """An uncompressed ramdisk with the drivers for a root of that kind, and so many zeros, which it looks at."""
        order = module_order(
            (self._modules / "modules.dep").read_text(encoding="utf-8"), ("xen-blkfront", *_DRIVERS[root])
        )
        paths = [path for path in order if Path(path).name.split(".ko")[0] not in without]
        modules = [_module(self._modules / path) for path in paths]
        names = "".join(f"{name}\n" for name, _content in modules).encode()
        folder = f"lib/modules/{self.release}/kernel"
        parts = folder.split("/")
        members = [
            *(initramfs.folder(name) for name in ("bin", "dev", "proc", "sys", "root")),
            *(initramfs.folder("/".join(parts[:depth])) for depth in range(1, len(parts) + 1)),
            initramfs.character_device("dev/console", 5, 1),
            initramfs.file("bin/busybox", self._busybox),
            initramfs.file("init", _INIT.replace(b"@WITNESS@", WITNESS.encode())),
            initramfs.file("modules", names, 0o644),
            initramfs.file("zeros", bytes(zeros), 0o644),
            *(initramfs.file(f"{folder}/{name}", content, 0o644) for name, content in modules),
        ]  # fmt: skip
        return initramfs.archive(members)

    @functools.cache  # noqa: B019 (there is one guest a run)
    def gzipped_initrd(self, root: str) -> bytes:
        """The ramdisk as distributions pack it."""
        return gzip.compress(self.initrd(root), 9, mtime=0)


def _module(path: Path) -> tuple[str, bytes]:
    """A driver's name and content as insmod takes it; Debian 13 packs each with xz."""
    if path.suffix == ".xz":
        return path.stem, lzma.decompress(path.read_bytes())
    return path.name, path.read_bytes()


def _lz4_legacy(data: bytes) -> bytes:
    packed = bytearray(b"\x02\x21\x4c\x18")
    for start in range(0, len(data), _LZ4_BLOCK):
        block = lz4.block.compress(data[start : start + _LZ4_BLOCK], store_size=False)
        packed += struct.pack("<I", len(block)) + block
    return bytes(packed)


_PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda data: gzip.compress(data, 6, mtime=0),
    "gzip-1": lambda data: gzip.compress(data, 1, mtime=0),
    "bzip2": bz2.compress,
    "lzma": lambda data: lzma.compress(data, lzma.FORMAT_ALONE, preset=1),
    "lz4": _lz4_legacy,
    "zstd": zstandard.ZstdCompressor(level=3).compress,
}


def tiny_guest(host: TestHost, boot: Path = Path("/boot"), modules: Path = Path("/lib/modules")) -> Guest | str:
    """The newest of this machine's own kernels (Debian: linux-image-amd64); in words why there is none."""
    releases = [path.name.removeprefix("vmlinuz-") for path in boot.glob("vmlinuz-*")]
    fitting = [name for name in releases if (modules / name / "modules.dep").is_file()]
    if not fitting:
        return f"no kernel in {boot} has its modules in {modules}"
    release = max(fitting, key=lambda name: [int(part) for part in re.findall(r"\d+", name)])
    busybox = (host.tools.root / "bin/busybox").read_bytes()
    return Guest(release, (boot / f"vmlinuz-{release}").read_bytes(), busybox, modules / release)
