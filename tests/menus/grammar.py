"""Generates menus: a grammar of what people write, and mutations of it, from one seeded random.Random.

`Ground` says which files there are on the disk that the menus speak of.
"""

from __future__ import annotations

import random
from collections.abc import Callable

KERNEL, OTHER_KERNEL, INITRD, TEXT, NO_KERNEL = (
    "/boot/vmlinuz",
    "/kernel-b",
    "/boot/initrd.img",
    "/m/text",
    "/boot/junk",
)
FILES = (KERNEL, OTHER_KERNEL, INITRD, TEXT, NO_KERNEL)
DEFAULT_FILE_ENTRY = 1

_BLANKS = (" ", " ", " ", "  ", "\t", "\t\t", " = ", "=", " \t ")
_DEVICES = (
    "(hd0,0)", "(hd0,0)", "(hd0,0)", "(hd0,0)", "(hd0,0)", "(hd0)", "(hd0,1)", "(hd1,0)", "(fd0)", "(hd0,0", "hd0,0",
    "(hd0,x)", "(nd)", "(cd)", "(hd)", "(hx0,0)", "(0x80,0)", "(128,0)", "(hd0,300)", "(hd9)", "()", "(,0)", "(hd0,)",
    "(hd0,00)", "(hd0x0,0x0)", "(hd0,-1)", "(", "(hd0,0)extra", "(HD0,0)", "(hd8,0)", "(hd99999999999,0)", "(fd0,0)",
)  # fmt: skip
_NUMBERS = (
    "0", "0", "1", "2", "3", "01", "0x1", "0X1", "0x", "-1", "x", "", "1x", "1 ", "1 # the old one", "99", "4294967296",
    "2147483648", "2147483647", "saved", "saved ", "1,2", "'1'", "010",
)  # fmt: skip
_UNKNOWN = (
    "quiet",
    "uuid 1234",
    "ROOT (hd0,0)",
    "Title x",
    "}",
    "set root=x",
    "linux /boot/vmlinuz",
    "\ufefftitle x",
    "savedef",
)
_ARGUMENTS = (
    "ro",
    "root=/dev/xvda1",
    "root=UUID=1-2",
    "console=hvc0",
    "quiet",
    "a='b c'",
    'x="y"',
    "--",
    "\\",
    "é",
    "a\\ b",
    "=",
)


class Grammar:
    """Menus from one seed. `calm`: how many times rarer than usual accidents and oddities are."""

    def __init__(self, seed: int, calm: int = 1) -> None:
        self.random = random.Random(seed)
        self._calm = calm

    def menu(self) -> bytes:
        """One menu: mostly sane, then mutated once in a while."""
        text = self._text()
        content = text.encode("utf-8")
        for _ in range(self.random.choice((0, 0, 0, 0, 1, 1, 2, 4)) if self._once(1) else 0):
            content = self._mutated(content)
        return content

    def _text(self) -> str:
        lines = [*self._head()]
        for number in range(self.random.choice((0, 1, 1, 2, 2, 2, 3, 3, 4))):
            lines += self._entry(number)
        if self._once(12):
            self.random.shuffle(lines)
        newline = "\r\n" if self._once(10) else "\n"
        return newline.join(lines) + (newline if not self._once(8) else "")

    def _once(self, times: int) -> bool:
        return self.random.randrange(times * self._calm) == 0

    def _blank(self) -> str:
        return self.random.choice(_BLANKS) if self._once(1) else " "

    def _number(self) -> str:
        return self.random.choice(_NUMBERS)

    def _head(self) -> list[str]:
        lines = []
        if not self._once(10):
            lines.append(
                f"timeout{self._blank()}{self.random.choice(('0', '0', '0', '0', '0', '0', '3', self._number()))}"
            )
        if self.random.randrange(3):
            lines.append(f"default{self._blank()}{self._number()}")
        for _ in range(self.random.choice((0, 0, 1, 1, 2))):
            lines.append(f"fallback{self._blank()}{' '.join(self._number() for _ in range(self.random.randrange(4)))}")
        extra: list[Callable[[], str]] = [
            lambda: "hiddenmenu", lambda: "# a comment", lambda: "# ends in \\", lambda: "", lambda: "password x",
            lambda: "color cyan/blue", lambda: "root (hd0,0)", lambda: self.random.choice(_UNKNOWN),
            lambda: f"kernel {KERNEL}", lambda: "password --md5 $1$abc", lambda: "pager on", lambda: "   ",
            lambda: "hiddenmenu = 1", lambda: "boot",
        ]  # fmt: skip
        for _ in range(self.random.choice((0, 0, 0, 1, 1, 2))):
            lines.insert(self.random.randrange(len(lines) + 1), self.random.choice(extra)())
        return lines

    def _entry(self, number: int) -> list[str]:
        title = self.random.choice(
            (f"Entry {number}", f"= {number} =", "", "a\\b", "#x", "Ünï", f"   T{number}  ", "x" * 90)
        )
        lines = [f"title{self._blank()}{title}"]
        lines += self._plain() if not self._once(5) else self._wild()
        for _ in range(self.random.choice((0, 0, 0, 1, 1, 2))):
            lines.insert(self.random.randrange(1, len(lines) + 1), self._stray() if self._once(1) else "# calm")
        if self._once(6) and len(lines) > 2:
            first, second = self.random.sample(range(1, len(lines)), 2)
            lines[first], lines[second] = lines[second], lines[first]
        indent = self.random.choice(("", "", "\t", "  "))
        return [lines[0], *(indent + line for line in lines[1:])]

    def _plain(self) -> list[str]:
        lines = [
            f"{self.random.choice(('root', 'root', 'rootnoverify'))}{self._blank()}{self._device()}",
            self._kernel(),
        ]
        if self.random.randrange(4):
            lines.append(self._initrd())
        return lines

    def _wild(self) -> list[str]:
        makers = (self._kernel, self._initrd, self._root, self._stray)
        return [self.random.choice(makers)() for _ in range(self.random.randrange(6))]

    def _device(self) -> str:
        return "(hd0,0)" if not self._once(7) else self.random.choice(_DEVICES)

    def _root(self) -> str:
        word = self.random.choice(("root", "root", "rootnoverify"))
        return f"{word}{self._blank()}{self.random.choice((self._device(), '', self._device() + ' 1'))}"

    def _file(self, path: str) -> str:
        """A path as people and fate write it."""
        forms = (
            path, path, path, path, path, f"(hd0,0){path}", path.replace("/", "//"), path + "/", path[1:],
            path + ".gone", "/boot", "/", "", path.upper(), f"{self._device()}{path}", path + " ",
            "/boot/../" + path[1:],
            "/boot/./../" + path[1:], "/link", "/loop", "10+2", path + "\u00a0x", "/boot/", path + "#x", "+1x",
        )  # fmt: skip
        return self.random.choice(forms[:6] if not self._once(6) else forms)

    def _arguments(self) -> str:
        return " ".join(self.random.choice(_ARGUMENTS) for _ in range(self.random.randrange(6)))

    def _kernel(self) -> str:
        options = (
            "", "", "", "", "", "", "", "", "--no-mem-option ", "--type=biglinux ", "--type=linux ",
            "--type=biglinux --no-mem-option ", "--type=x ", "--type= ", "--typo ",
        )  # fmt: skip
        path = self._file(
            self.random.choice((KERNEL, KERNEL, KERNEL, KERNEL, KERNEL, OTHER_KERNEL, OTHER_KERNEL, NO_KERNEL))
        )
        blank = self.random.choice((" ", "  ", ""))
        return f"kernel{self._blank()}{self.random.choice(options)}{path}{blank}{self._arguments()}"

    def _initrd(self) -> str:
        word = self.random.choice(("initrd", "initrd", "initrd", "initrd", "module", "modulenounzip"))
        return f"{word}{self._blank()}{self._file(INITRD)}{self.random.choice(('', '', ' x'))}"

    def _stray(self) -> str:
        """Lines that stand in entries, and should not, or seldom do."""
        path = self._file(TEXT)
        kind = self.random.choice(("0x83", "131", "x", "256", ""))
        color = self.random.choice(
            ("cyan/blue", "x", "7", "blink-red/black white/blue", "red/yellow", "red/blue x/y", "")
        )
        return self.random.choice((
            "boot", "boot", f"timeout {self._number()}", "default 0", "fallback 1", "hiddenmenu", "lock", "makeactive",
            "# comment", "# comment \\", "", "savedefaults", self.random.choice(_UNKNOWN), f"cat {path}",
            f"find {path}",
            f"find {self._file(KERNEL)}", f"cmp {path} {self._file(TEXT)}", f"map {self._device()} {self._device()}",
            f"color {color}",
            f"pager {self.random.choice(('on', 'off', 'x', ''))}", f"geometry {self._device()}", "fstest",
            f"unhide {self._device()}",
            f"parttype {self._device()} {kind}",
            f"blocklist {path}", "pause go on", "print hello", "help boot", "clear",
            f"chainloader {self._file(TEXT)}", f"configfile {self._file('/m/other')}", "halt", "reboot", "quit",
            self._root(), self._kernel(), self._initrd(), "title", "kernel", "initrd", "=", "\\", "root",
        ))  # fmt: skip

    def _mutated(self, content: bytes) -> bytes:
        """One small accident."""
        at = self.random.randrange(len(content) + 1)
        end = min(len(content), at + self.random.randrange(1, 12))
        new = bytes(self.random.choice(b" \t\r\n\\#=()/0129x\xc2\xa0,") for _ in range(self.random.randrange(3)))
        return self.random.choice((
            content[:at] + new + content[at:],
            content[:at] + content[end:],
            content[:at] + content[at:end] * 2 + content[end:],
            content[:at] + b"\\\n" + content[at:],
            content[:at] + b"x" * self.random.choice((30, 1490, 1510)) + content[at:],
        ))  # fmt: skip
