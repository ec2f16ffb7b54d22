"""Which entry each loader takes. The rows with 0.97 were seen on the genuine PV-GRUB or read in its stage2.c."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagebuild.bootloaders.menu import Menu, MenuEntry, loader_path, parse_menu, write_menu
from imagebuild.bootloaders.menu_choice import LOADERS, choice, differences, is_counted

_TWO = "\ntitle A\nroot (hd0)\nkernel /a\n\ntitle B\nroot (hd0)\nkernel /b\n"


@pytest.mark.parametrize(
    ("head", "grub", "pygrub", "grub2"),
    [
        ("timeout 3", 0, 0, 0),
        ("default 1\ntimeout 3", 1, 1, 1),
        ("default=1\ntimeout=3", 1, 1, 1),
        ("default 2\ntimeout 3", 0, 0, 0),
        ("default 2\nfallback 1\ntimeout 3", 1, 0, 0),
        ("default 2\nfallback 9 1\ntimeout 3", 1, 0, 0),
        ("default saved\ntimeout 3", 0, 0, 0),
        ("default 1\ntimeout 3\ntitle Empty", 1, 1, 1),
    ],
)
def test_entry_taken(head: str, grub: int, pygrub: int, grub2: int) -> None:
    menu = parse_menu(head + _TWO)
    titles = [entry.title for entry in menu.entries]
    offset = titles.index("A")
    taken = {loader: choice(menu, loader).entry for loader in LOADERS}
    if offset:  # a title without commands counts for all but 0.97
        assert taken == {"grub-0.97": 2, "pygrub": 1, "grub2-legacy": 1}
    else:
        assert taken == {"grub-0.97": grub, "pygrub": pygrub, "grub2-legacy": grub2}


def test_the_fallback_taken_for_a_default_is_not_tried_again() -> None:
    menu = parse_menu("default 5\nfallback 1 0 1\ntimeout 3" + _TWO)
    assert choice(menu, "grub-0.97").fallbacks == (0,)


def test_without_a_timeout_all_but_pygrub_wait() -> None:
    waiting = [loader for loader in LOADERS if choice(parse_menu(_TWO), loader).waits]
    assert waiting == ["grub-0.97", "grub2-legacy"]


def test_differences_are_told_in_words() -> None:
    assert differences(parse_menu("timeout 1" + _TWO)) == []
    lines = differences(parse_menu("default 2\nfallback 1\ntimeout 1" + _TWO))
    assert lines == [
        "grub-0.97 starts entry 1 (B)", "pygrub starts entry 0 (A)", "grub2-legacy starts entry 0 (A)",
    ]  # fmt: skip


def test_an_empty_menu_starts_nothing() -> None:
    assert [choice(parse_menu("timeout 3\n"), loader).entry for loader in LOADERS] == [None, None, None]


def test_unknown_words_do_not_make_an_entry() -> None:
    first, second = parse_menu("title A\nlinux /x\ntitle B\npager on\n").entries
    assert not is_counted(first)
    assert is_counted(second)


def test_commands_are_case_sensitive() -> None:
    menu = parse_menu("TIMEOUT 3\ntitle A\nKernel /x\n")
    assert menu.timeout is None
    assert menu.entries[0].kernel is None


@pytest.mark.parametrize(
    ("text", "root", "expected"),
    [
        ("/vmlinuz", "(hd0,0)", ("hd0", 0, "/vmlinuz")),
        ("/vmlinuz", "(hd0)", ("hd0", None, "/vmlinuz")),
        ("(hd1,2)/vmlinuz", "(hd0)", ("hd1", 2, "/vmlinuz")),
        ("/vmlinuz", None, (None, None, "/vmlinuz")),
    ],
)
def test_paths_lead_to_devices(text: str, root: str | None, expected: tuple[str | None, int | None, str]) -> None:
    found = loader_path(text, root)
    assert (found.device, found.partition, found.path) == expected


_word = st.text(
    st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="#=()\\"), min_size=1, max_size=12
)
_path = _word.map(lambda word: f"/{word}")
_entry = st.builds(
    MenuEntry,
    title=_word,
    root=st.sampled_from([None, "(hd0)", "(hd0,0)"]),
    kernel=_path,
    arguments=st.lists(_word, max_size=3).map(" ".join),
    initrd=st.none() | _path,
)
_menu = st.builds(
    Menu,
    default=st.none() | st.just("saved") | st.integers(0, 9),
    timeout=st.none() | st.integers(0, 99),
    fallback=st.lists(st.integers(0, 9), max_size=3, unique=True).map(tuple),
    entries=st.lists(_entry, max_size=4).map(tuple),
)


@given(_menu)
def test_what_is_written_is_read_back(menu: Menu) -> None:
    assert parse_menu(write_menu(menu)) == menu


@given(st.text())
def test_any_text_is_parsed_and_chosen_from(text: str) -> None:
    menu = parse_menu(text)
    for loader in LOADERS:
        entry = choice(menu, loader).entry
        assert entry is None or 0 <= entry < len(menu.entries)
