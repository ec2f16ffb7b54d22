"""What lies on an image of the proof: menus, and whole trees with something special about them."""

from __future__ import annotations

from collections.abc import Callable

from tests.images import MENU, ROOT_UUID, Link
from tools.proof.guest import WITNESS, WITNESS_CONTENT, Guest

LINUX, INITRD = "boot/vmlinuz", "boot/initrd.img"

Tree = dict[str, bytes | Link]


def menu(
    *,
    root: str = "(hd0)",
    folder: str = "/boot",
    head: str = "default 0\ntimeout 1\n",
    device: str = f"UUID={ROOT_UUID}",
    more: str = "",
    kernel: str = "kernel",
) -> bytes:
    return (
        f"{head}\ntitle Proof\nroot {root}\n{kernel} {folder}/vmlinuz root={device} ro console=hvc0 quiet\n"
        f"initrd {folder}/initrd.img\n{more}"
    ).encode()


def entry(title: str, *, root: str = "(hd0)", kernel: str = "/boot/vmlinuz", more: str = "") -> str:
    return (
        f"\ntitle {title}\nroot {root}\nkernel {kernel} root=UUID={ROOT_UUID} ro console=hvc0 quiet\n"
        f"initrd /boot/initrd.img\n{more}"
    )


def files(guest: Guest, root: str = "ext", **changes: bytes | Link | None) -> Tree:
    """A root filesystem with everything on it. Changes by role: kernel, initrd, menu; None leaves the file out."""
    roles = {"kernel": LINUX, "initrd": INITRD, "menu": MENU}
    made: dict[str, bytes | Link | None] = {"menu": menu(), **changes}
    made.setdefault("kernel", guest.gzipped)
    if "initrd" not in made:
        made["initrd"] = guest.gzipped_initrd(root)
    tree: Tree = {roles[role]: content for role, content in made.items() if content is not None}
    fstab = f"UUID={ROOT_UUID} / {'ext4' if root == 'ext' else root} defaults 0 1\n".encode()
    return {**tree, WITNESS: WITNESS_CONTENT, "etc/fstab": fstab}


def with_roles(**roles: bytes | Link | None) -> Callable[[Guest], Tree]:
    return lambda guest: files(guest, "ext", **roles)


def with_zeros(guest: Guest, zeros: int = 256 * 1024, **roles: bytes | Link | None) -> Tree:
    """The ramdisk holds zeros, of which most ways to copy a file make a hole, and looks at them."""
    return files(guest, "ext", initrd=guest.initrd(zeros=zeros), **roles)


def also(more: Tree) -> Callable[[Guest], Tree]:
    return lambda guest: {**files(guest), **more}


def saved_default(guest: Guest) -> Tree:
    text = menu(head="default saved\ntimeout 1\n", more="savedefault\n")
    return {**files(guest, menu=text), "boot/grub/default": b"0\n" + b"#\n" * 10}


def without_kernel(guest: Guest) -> Tree:
    return {path: content for path, content in files(guest).items() if path != LINUX}


def behind_links(guest: Guest) -> Tree:
    tree = files(guest, menu=None, kernel=Link("../store/linux"))
    return {**tree, "store/linux": guest.gzipped, "boot/grub": Link("./grub1"), "boot/grub1/menu.lst": menu()}


def inline_menu(guest: Guest) -> Tree:
    """A menu.lst that fits into its inode, in folders that do not.

    In a folder inside its inode the genuine loader searches for ever, and nothing decisive is heard.
    """
    text = menu(head="default 0\ntimeout 1", device="/dev/xvda").replace(b" quiet\n", b"\n").replace(b"Proof", b"P")
    assert len(text) < 128
    full: Tree = {f"{folder}/{letter * 120}": b"" for folder in ("boot", "boot/grub") for letter in "ab"}
    return {**full, **files(guest, menu=text)}


def full_folder(guest: Guest) -> Tree:
    names: Tree = {f"boot/config-of-a-kernel-that-was-removed-{number:05}": b"y\n" for number in range(3000)}
    return {**names, **files(guest)}


WORDS = "# head\nhiddenmenu\ncolor cyan/blue white/blue\ndefault=0\ntimeout=1\nsplashimage=(hd0)/nothing.xpm.gz\n"

PASSWORD = "password secret\ndefault 0\ntimeout 1\n"

STRAY = b"set default=0\nmenuentry 'Stray' {\n linux /boot/stray root=/dev/xvda\n}\n"

BROKEN = entry("Broken", kernel="/boot/nothing")

FALLBACK = f"default 0\nfallback 1\ntimeout 1\n{BROKEN}"


def xfs_files(guest: Guest) -> Tree:
    return files(guest, "xfs")
