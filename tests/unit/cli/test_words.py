"""The command line's own words: --help, --version, mistakes, pipes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from imagebuild import __version__
from imagebuild.formats.text import duration, escaped, excerpt, printable, size, xml_text
from tests.unit.cli.conftest import Runner

VERBS = ("validate", "plan", "build", "verify", "doctor", "schema")


def test_version() -> None:
    done = subprocess.run([sys.executable, "-m", "imagebuild", "--version"], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, f"imagebuild {__version__}\n")


def test_help_lists_every_verb_and_exit_code(imagebuild: Runner) -> None:
    done = imagebuild("--help")
    assert done.returncode == 0
    for verb in VERBS:
        assert f"\n  {verb} " in done.stdout
    assert "130  interrupted" in done.stdout
    assert "..." not in done.stdout.partition("Commands:")[2].partition("Exit codes")[0], "no verb's line is cut off"


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_a_verb_shows_examples(verb: str, imagebuild: Runner) -> None:
    done = imagebuild(verb, "--help")
    assert done.returncode == 0
    assert f"  imagebuild {verb}" in done.stdout.partition("Examples:")[2]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--nope"], "--nope"),
        (["build", "--nope", "x.yaml"], "--nope"),
        (["bild"], "bild"),
        (["build"], "RECIPE"),
        (["verify"], "IMAGE"),
        (["build", "x.yaml", "--no-verify", "--with", "qemu"], "--no-verify"),
        (["build", "x.yaml", "--require", "luck"], "pv-grub"),
        (["build", "x.yaml", "--with", "kvm"], "allowed are static, qemu, xen"),
        (["build", "x.yaml", "--set", "novalue"], "NAME=VALUE"),
        (["build", "x.yaml"], "x.yaml"),
        (["validate", "x.yaml"], "x.yaml"),
        (["verify", "nothing.raw"], "nothing.raw: this image cannot be found"),
        (["verify", "."], "found a directory"),
        (["verify", "/dev/null"], "found a device"),
    ],
)
def test_misuse_is_exit_code_2(words: list[str], said: str, imagebuild: Runner) -> None:
    done = imagebuild(*words)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert list(imagebuild.folder.iterdir()) == [], "nothing is left behind"


@pytest.mark.parametrize(
    "words",
    [("--timeout", "soon"), ("--timeout", "0s"), ("--memory", "lots"), ("--memory", "-1"), ("--expect", "")],
)
def test_settings_of_a_boot_are_checked(words: tuple[str, str], imagebuild: Runner) -> None:
    done = imagebuild("verify", __file__, *words)
    assert done.returncode == 2
    assert done.stderr.startswith(words[0])


@pytest.mark.parametrize("verb", ["verify", "inspect", "boot", "shell"])
def test_a_recipe_is_no_image(verb: str, imagebuild: Runner) -> None:
    done = imagebuild(verb, imagebuild.recipe("web"))
    assert done.returncode == 2
    assert "found a recipe; expected the image that it makes: imagebuild build web.yaml" in done.stderr


def test_empty_image(imagebuild: Runner) -> None:
    (imagebuild.folder / "empty.raw").touch()
    done = imagebuild("verify", "empty.raw")
    assert (done.returncode, "empty file" in done.stderr) == (2, True)


def test_schema_is_json(imagebuild: Runner) -> None:
    assert "properties" in json.loads(imagebuild("schema").stdout)


def test_a_reader_that_goes_away_is_no_error() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "imagebuild", "schema"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(60) == 141


def test_a_full_disk_behind_stdout_is_said() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "imagebuild", "schema"], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60
        )
    assert done.returncode == 5
    assert done.stderr.startswith("error: no space left")
    assert "Exception ignored" not in done.stderr


def test_printable_disarms_escapes() -> None:
    assert printable("a\x1b[2Jb\x9b1mc\r\x07\x7f") == "a\N{REPLACEMENT CHARACTER}[2Jb\N{REPLACEMENT CHARACTER}1mc" + (
        "\N{REPLACEMENT CHARACTER}" * 3
    )
    assert printable("tab\tumlaut ü ✓") == "tab\tumlaut ü ✓"
    assert printable("\udc80") == "?"
    assert "\u202e" not in printable("evil\u202egpj.exe")


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.04, "0.0 s"), (59.9, "59.9 s"), (60, "1 min 00 s"), (83, "1 min 23 s")]
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 bytes"), (1023, "1023 bytes"), (1536, "1.5 KiB"), (2**31, "2.0 GiB"), (2**41, "2.0 TiB")]
)
def test_size(count: int, text: str) -> None:
    assert size(count) == text


def test_escaped_loses_nothing() -> None:
    assert escaped(b"caf\xe9\x1b[0m\n".decode("utf-8", "surrogateescape")) == r"caf\xe9\x1b[0m\n"
    assert escaped("\ud800\u202e ü") == r"\ud800\u202e ü"
    assert excerpt("x" * 9 + "\n", 10) == "x" * 9 + "…"


def test_xml_text_holds_no_character_that_xml_forbids() -> None:
    assert xml_text("a\x00\x1b\ufffe\ud800\tb\n") == "a" + "\N{REPLACEMENT CHARACTER}" * 4 + "\tb\n"
