"""Texts that go into the boot menu: what GRUB 0.97 would not read back as it was meant is refused, with the reason.

Source: stage2/stage2.c, get_line_from_config and cmain (lines joined and cut, tabs, `=` behind a command's word); 1023
bytes are what Xen hands a PV guest (libxc, MAX_GUEST_CMDLINE). The plan reads the whole menu back once more.
"""

from __future__ import annotations

# 0.97 keeps 1500 bytes of a line, with `title ` in it.
LONGEST_TITLE_BYTES = 1494
# 1023, less `root=UUID=…` and a blank.
LONGEST_COMMAND_LINE_BYTES = 1023 - len("root=UUID=00000000-0000-0000-0000-000000000000 ")


def title(value: str) -> str:
    """A menu entry's title. Raises ValueError."""
    problem = _problem(value, "title", LONGEST_TITLE_BYTES)
    if value[0] in " =":
        problem = f"the menu drops {value[0]!r} at the start of a title: start it with another character"
    if problem:
        raise ValueError(problem)
    return value


def command_line(value: str) -> str:
    """A kernel command line. Raises ValueError."""
    if problem := _problem(value, "command line", LONGEST_COMMAND_LINE_BYTES):
        raise ValueError(problem)
    return value


def _problem(value: str, what: str, most_bytes: int) -> str:
    size = len(value.encode("utf-8", "surrogatepass"))
    if size > most_bytes:
        return f"{size} bytes: at most {most_bytes} bytes of a {what} reach the kernel or the menu"
    if value.rstrip(" ").endswith("\\"):
        return f"a {what} that ends with a backslash continues on the menu's next line: remove the backslash"
    if any(char in value for char in "\t\r\0"):
        return f"a {what} must not contain a tab, carriage return or zero byte: the loader drops them"
    return ""
