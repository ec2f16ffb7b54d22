"""Makes small disk images with mke2fs, sfdisk and friends, without a distribution: what the verifier is tested on.

    image = make_image(folder / "good.raw")                          # hd0, ext4
    image = make_image(folder / "bad.raw", Contents(menu="…"))       # change what you want to sabotage

Kernel and initrd are headers and archives that our own readers take for real; nothing in them can run.
"""

from __future__ import annotations

import dataclasses
import gzip
import random
import struct
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from imagebuild.formats.lvm_identities import checksum
from imagebuild.host.command import clean_environment
from imagebuild.testhost import initramfs

RELEASE = "6.1.0-1-amd64"
ROOT_UUID = "11111111-2222-4333-8444-555555555555"
BOOT_UUID = "99999999-8888-4777-a666-555555555555"
KERNEL, INITRD, MENU = f"boot/vmlinuz-{RELEASE}", f"boot/initrd.img-{RELEASE}", "boot/grub/menu.lst"
LOADER_CAN_READ = "none,ext_attr,resize_inode,dir_index,filetype,sparse_super,large_file,has_journal,extent,flex_bg"
INIT = "sbin/init"
_MIB = 2**20


def noise(size_bytes: int, seed: int = 1) -> bytes:
    """Bytes without a block of zeros, the same every time."""
    return random.Random(seed).randbytes(size_bytes)


def kernel(
    *,
    release: str = RELEASE,
    payload: bytes = b"\xfd7zXZ\x00" + noise(40_000),
    protocol: tuple[int, int] = (2, 15),
    flags: int = 1,
    padding: bytes = b"",
) -> bytes:
    """A bzImage by its header: one setup sector behind the boot sector, the release, then the payload."""
    setup = bytearray(noise(1024 * 2, 2))
    setup[0x1F1] = 3
    setup[0x202:0x206] = b"HdrS"
    setup[0x206], setup[0x207] = protocol[1], protocol[0]
    struct.pack_into("<H", setup, 0x20E, 0x300)
    setup[0x500 : 0x500 + 80] = f"{release} (tester@example) #1".encode().ljust(80, b"\0")
    struct.pack_into("<H", setup, 0x236, flags)
    struct.pack_into("<II", setup, 0x248, len(padding), len(payload))
    return bytes(setup) + padding + payload


def program(machine: int = 62, interpreter: str = "", kind: int = 2) -> bytes:
    """An ELF program by its header; nothing in it can run."""
    name = interpreter.encode() + b"\0"
    head = b"\x7fELF\x02\x01\x01" + bytes(9)
    head += struct.pack("<HHIQQQIHHHHHH", kind, machine, 1, 0, 64, 0, 0, 64, 56, 1 if interpreter else 0, 0, 0, 0)
    return head + struct.pack("<IIQQQQQQ", 3, 4, 120, 0, 0, len(name), len(name), 1) + name


def xen_elf(guest_os: str, *, wide: bool = True) -> bytes:
    """An ELF file whose Xen note says what it is: GRUB 2's Xen image is one."""
    value = guest_os.encode() + b"\0"
    note = struct.pack("<III", 4, len(value), 6) + b"Xen\0" + value.ljust((len(value) + 3) & ~3, b"\0")
    if wide:
        head = (
            b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, 0, 64, 0, 0, 64, 56, 1, 0, 0, 0)
        )
        segment = struct.pack("<IIQQQQQQ", 4, 4, 120, 0, 0, len(note), len(note), 4)
    else:
        head = (
            b"\x7fELF\x01\x01\x01" + bytes(9) + struct.pack("<HHIIIIIHHHHHH", 2, 3, 1, 0, 52, 0, 0, 52, 32, 1, 0, 0, 0)
        )
        segment = struct.pack("<IIIIIIII", 4, 84, 0, 0, len(note), len(note), 4, 4)
    return head + segment + note + noise(9000)


def initrd(
    *,
    release: str = RELEASE,
    modules: tuple[str, ...] = ("xen-blkfront", "ext4"),
    lvm: bool = False,
    init: bytes = b"#!/bin/sh\n",
    more: Mapping[str, bytes] | None = None,
) -> bytes:
    """A gzip initrd with empty modules and enough noise that no block of it is zero. `more`: files by name."""
    names = [f"lib/modules/{release}/kernel/{module}.ko" for module in modules]
    members = [initramfs.file(name, noise(3000, 3)) for name in [*names, *(["sbin/lvm"] if lvm else [])]]
    members += [initramfs.file(name, content) for name, content in (more or {}).items()]
    return gzip.compress(initramfs.archive([initramfs.file("init", init), *members]), mtime=0)


def menu(
    *,
    root: str = "(hd0)",
    device: str = f"UUID={ROOT_UUID}",
    folder: str = "/boot",
    head: str = "default 0\ntimeout 3\n",
    more: str = "",
) -> str:
    return (
        f"{head}\ntitle Test\nroot {root}\nkernel {folder}/vmlinuz-{RELEASE} root={device} ro console=hvc0\n"
        f"initrd {folder}/initrd.img-{RELEASE}\n{more}"
    )


@dataclass(frozen=True)
class Link:
    """A symbolic link in a tree."""

    target: str


Tree = Mapping[str, bytes | Link]


def tree(**changes: bytes | Link | None) -> dict[str, bytes | Link]:
    """The files of a good hd0 image. Changes by role: kernel, initrd, menu, fstab, init; None leaves the file out."""
    fstab = f"UUID={ROOT_UUID} / ext4 errors=remount-ro 0 1\n".encode()
    roles = {"kernel": KERNEL, "initrd": INITRD, "menu": MENU, "fstab": "etc/fstab", "init": INIT}
    made = {"kernel": kernel(), "initrd": initrd(), "menu": menu().encode(), "fstab": fstab, "init": program()}
    return {roles[role]: content for role, content in {**made, **changes}.items() if content is not None}


@dataclass(frozen=True)
class Filesystem:
    """What one partition holds. `files` None: nothing but what `raw` says (bytes for its start)."""

    files: Tree | None = field(default_factory=tree)
    type: Literal["ext2", "ext3", "ext4", "xfs", "btrfs", "swap", "raw"] = "ext4"
    uuid: str = ROOT_UUID
    label: str = ""
    features: str = LOADER_CAN_READ
    block_bytes: int = 4096
    size_bytes: int = 24 * _MIB
    raw: bytes = b""
    partition_type: str = "83"


def make_image(target: Path, filesystem: Filesystem | None = None) -> Path:
    """An hd0 image: one filesystem from the first sector on."""
    filesystem = filesystem or Filesystem()
    with target.open("wb") as file:
        file.truncate(filesystem.size_bytes)
    _fill(target, 0, filesystem)
    return target


def make_partitioned(target: Path, *filesystems: Filesystem, label: Literal["dos", "gpt"] = "dos") -> Path:
    """An hd00 image: a partition for each filesystem, aligned to 1 MiB."""
    starts, position = [], _MIB
    for filesystem in filesystems:
        starts.append(position)
        position += filesystem.size_bytes
    with target.open("wb") as file:
        file.truncate(position + _MIB)
    kinds = {"83": "L", "82": "S", "8e": "V", "ef": "U"} if label == "gpt" else {}
    lines = [
        f"start={start // 512}, size={filesystem.size_bytes // 512}, "
        f"type={kinds.get(filesystem.partition_type, filesystem.partition_type)}"
        for start, filesystem in zip(starts, filesystems, strict=True)
    ]
    identity = "label-id: 0x12345678\n" if label == "dos" else ""
    run("sfdisk", "--quiet", str(target), stdin=f"label: {label}\n{identity}" + "\n".join(lines) + "\n")
    for start, filesystem in zip(starts, filesystems, strict=True):
        _fill(target, start, filesystem)
    return target


def boot_files_at_root(files: Tree) -> dict[str, bytes | Link]:
    """The files of /boot as a boot partition of its own holds them, with the link `boot -> .` beside them."""
    moved = {path.removeprefix("boot/"): content for path, content in files.items() if path.startswith("boot/")}
    return {**moved, "boot": Link(".")}


def separate_boot(**changes: bytes | Link | None) -> Filesystem:
    """A boot partition, with a menu whose paths begin at its own root."""
    changes.setdefault("menu", menu(root="(hd0,0)", folder="").encode())
    return Filesystem(boot_files_at_root(tree(**changes)), type="ext3", uuid=BOOT_UUID, features="", label="boot")


def root_only() -> Filesystem:
    """A root partition to go with it."""
    return Filesystem({key: value for key, value in tree().items() if key in ("etc/fstab", INIT)})


def write_tree(folder: Path, files: Tree) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, Link):
            path.symlink_to(content.target)
        else:
            path.write_bytes(content)
            if path.parent.name in ("sbin", "bin"):
                path.chmod(0o755)


def _fill(target: Path, offset: int, filesystem: Filesystem) -> None:
    if filesystem.type == "raw":
        _write(target, offset, filesystem.raw)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "tree"
        folder.mkdir()
        write_tree(folder, filesystem.files or {})
        if filesystem.type.startswith("ext"):
            _mke2fs(target, offset, filesystem, folder)
            return
        alone = Path(name) / "alone"
        with alone.open("wb") as file:
            file.truncate(filesystem.size_bytes)
        _make_other(alone, filesystem, folder)
        _write(target, offset, alone.read_bytes())


def _mke2fs(target: Path, offset: int, filesystem: Filesystem, folder: Path) -> None:
    features = ["-O", filesystem.features] if filesystem.features else []
    label = ["-L", filesystem.label] if filesystem.label else []
    blocks = filesystem.size_bytes // filesystem.block_bytes
    run(
        "mke2fs", "-q", "-F", "-t", filesystem.type, "-b", str(filesystem.block_bytes), *features, *label,
        "-U", filesystem.uuid, "-E", f"offset={offset},root_owner=0:0,nodiscard", "-d", str(folder), str(target),
        str(blocks * filesystem.block_bytes // 1024) + "k",
    )  # fmt: skip


def _make_other(alone: Path, filesystem: Filesystem, folder: Path) -> None:
    match filesystem.type:
        case "btrfs":
            run("mkfs.btrfs", "-q", "-U", filesystem.uuid, "--rootdir", str(folder), str(alone))
        case "xfs":
            options = filesystem.features.split()
            uuid = ["-m", f"uuid={filesystem.uuid}"]
            run("mkfs.xfs", "-q", *options, *uuid, "-p", str(_prototype(folder)), str(alone))
        case "swap":
            run("mkswap", "-q", "-U", filesystem.uuid, str(alone))
        case other:
            raise AssertionError(other)


def _prototype(folder: Path) -> Path:
    """A tree in mkfs.xfs' own words (mkfs.xfs(8), "protofile")."""
    lines = ["/dummy", "0 0", "d--755 0 0"]

    def enter(directory: Path) -> None:
        for path in sorted(directory.iterdir()):
            if path.is_symlink():
                lines.append(f"{path.name} l--777 0 0 {path.readlink()}")
            elif path.is_dir():
                lines.append(f"{path.name} d--755 0 0")
                enter(path)
            else:
                lines.append(f"{path.name} ---{path.stat().st_mode & 0o777:o} 0 0 {path}")
        lines.append("$")

    enter(folder)
    prototype = folder.parent / "prototype"
    prototype.write_text("\n".join(lines) + "\n")
    return prototype


def physical_volume(inside: bytes, *, group: str = "vg0", volume: str = "root") -> bytes:
    """An LVM2 physical volume with one linear logical volume that holds `inside`, by LVM2's on-disk format: with its
    checksums, so that LVM itself activates it."""
    extent = 4 * _MIB
    count = -(-len(inside) // extent)
    identities = ["-".join(letter * length for length in (6, 4, 4, 4, 4, 4, 6)) for letter in "AGV"]
    area_bytes = _MIB + count * extent
    text = (
        f'{group} {{\nid = "{identities[1]}"\nseqno = 1\nformat = "lvm2"\nstatus = ["RESIZEABLE", "READ", "WRITE"]\n'
        f"flags = []\nextent_size = {extent // 512}\nmax_lv = 0\nmax_pv = 0\nmetadata_copies = 0\n"
        f'physical_volumes {{\npv0 {{\nid = "{identities[0]}"\ndevice = "/dev/xvda2"\nstatus = ["ALLOCATABLE"]\n'
        f"flags = []\ndev_size = {area_bytes // 512}\npe_start = 2048\npe_count = {count}\n}}\n}}\n"
        f'logical_volumes {{\n{volume} {{\nid = "{identities[2]}"\nstatus = ["READ", "WRITE", "VISIBLE"]\nflags = []\n'
        f"segment_count = 1\nsegment1 {{\nstart_extent = 0\nextent_count = {count}\n"
        f'type = "striped"\nstripe_count = 1\nstripes = [\n"pv0", 0\n]\n}}\n}}\n}}\n}}\n'
        f'contents = "Text Format Volume Group"\nversion = 1\ndescription = ""\ncreation_host = "test"\n'
        f"creation_time = 0\n"
    ).encode() + b"\0"
    data = bytearray(_MIB)
    struct.pack_into("<8sQII8s", data, 512, b"LABELONE", 1, 0, 32, b"LVM2 001")
    data[544:576] = identities[0].replace("-", "").encode()
    # the size; the data area, the metadata area, each list with an empty entry at its end
    struct.pack_into("<QQQQQQQQQ", data, 576, area_bytes, _MIB, 0, 0, 0, 4096, _MIB - 4096, 0, 0)
    struct.pack_into("<I", data, 512 + 16, checksum(bytes(data[512 + 20 : 1024])))
    data[4608 : 4608 + len(text)] = text
    head = (0, b" LVM2 x[5A%r0N*>", 1, 4096, _MIB - 4096, 512, len(text), checksum(text), 0)
    struct.pack_into("<I16sIQQQQII", data, 4096, *head)
    struct.pack_into("<I", data, 4096, checksum(bytes(data[4100:4608])))
    return bytes(data) + inside.ljust(count * extent, b"\0")


def bytes_of(filesystem: Filesystem) -> bytes:
    """The filesystem alone, as bytes."""
    with tempfile.TemporaryDirectory() as name:
        return make_image(Path(name) / "alone", filesystem).read_bytes()


def _write(target: Path, offset: int, content: bytes) -> None:
    """Write all that is not zero, so that the image stays sparse."""
    with target.open("r+b") as file:
        for start in range(0, len(content), _MIB):
            piece = content[start : start + _MIB]
            if piece.count(0) != len(piece):
                file.seek(offset + start)
                file.write(piece)


def run(*argv: str, stdin: str = "", most_seconds: float = 60) -> str:
    """Run a tool that must succeed."""
    done = subprocess.run(
        argv,
        input=stdin,
        capture_output=True,
        text=True,
        env=clean_environment() | {"MKE2FS_DEVICE_SECTSIZE": "512"},
        timeout=most_seconds,
        check=False,
    )
    assert done.returncode == 0, (argv, done.stdout, done.stderr)
    return done.stdout


def changed(filesystem: Filesystem, **changes: object) -> Filesystem:
    """A filesystem with other fields."""
    return dataclasses.replace(filesystem, **changes)  # type: ignore[arg-type]  # a test's own words
