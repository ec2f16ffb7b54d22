"""--help: what a user types and gets, in 80 columns."""

from __future__ import annotations

import pytest

from imagebuild.cli.manual import verbs
from imagebuild.errors import EXIT_CODES
from tests.unit.cli.conftest import Runner

VERBS = [verb.name for verb in verbs()]


@pytest.mark.parametrize("name", ["", *VERBS])
def test_help_fits_a_terminal_and_shows_no_type_of_the_program(name: str, imagebuild: Runner) -> None:
    done = imagebuild(*name.split(), "--help", COLUMNS="80")
    assert done.returncode == 0
    assert max(map(len, done.stdout.splitlines())) <= 80
    for word in (
        "<list",
        "<path",
        "<str",
        "<int",
        "[[",
        "{RECIPE",
        "x>=",
        "<=x",
        "[default:",
        "[required]",
        "[env var",
    ):
        assert word not in done.stdout
    assert imagebuild("help", *name.split(), COLUMNS="80").stdout == done.stdout


@pytest.mark.parametrize("name", VERBS)
def test_every_option_is_explained(name: str) -> None:
    verb = next(verb for verb in verbs() if verb.name == name)
    assert [one.names for one in (*verb.arguments, *verb.options) if not one.help] == []


def test_every_exit_code_is_listed(imagebuild: Runner) -> None:
    shown = imagebuild("--help").stdout.partition("Exit codes:")[2]
    assert [int(line.split()[0]) for line in shown.splitlines() if line[:7].strip().isdigit()] == list(EXIT_CODES)


def test_defaults_are_said_once(imagebuild: Runner) -> None:
    shown = " ".join(imagebuild("nightly", "--help", COLUMNS="80").stdout.split())
    assert "Time limit of each stage (default: 3600)." in shown
    assert "(default: what cores and memory allow). -" in shown, "0 is not shown: the text says what it means"


def test_help_of_a_verb_that_is_none(imagebuild: Runner) -> None:
    done = imagebuild("help", "biuld")
    assert (done.returncode, done.stderr) == (2, "help: there is no verb 'biuld'; did you mean 'build'?\n")
