"""The command line's own words: --help, --version, mistakes, pipes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from imagebuild import __version__
from imagebuild.formats.text import duration, escaped, excerpt, printable, size, xml_text
from tests.unit.cli.conftest import Done, Runner

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


def test_validate_as_data_and_quietly(imagebuild: Runner) -> None:
    good, bad = imagebuild.recipe("good"), imagebuild.recipe("bad", "hostname: web\n")
    done = imagebuild("validate", good, bad, "--json")
    assert (done.returncode, done.stderr) == (2, "")
    first, second = json.loads(done.stdout)
    assert first == {"recipe": "good.yaml", "valid": True, "problems": []}
    (problem,) = second["problems"]
    assert (problem["file"], problem["line"], problem["column"], problem["key"]) == ("bad.yaml", 5, 1, "hostname")
    assert imagebuild("validate", good, "--quiet") == Done(0, "", "")
    assert imagebuild("validate", bad, "-q").stderr.startswith("bad.yaml:5:1: hostname: ")


def test_what_no_loader_can_boot_as_data(imagebuild: Runner) -> None:
    imagebuild.recipe("web", "files: [{path: /etc/fstab, content: x}]\n")
    done = imagebuild("validate", "web.yaml", "--json")
    (problem,) = json.loads(done.stdout)[0]["problems"]
    assert (done.returncode, problem["line"], problem["key"]) == (3, 5, "files")


def test_build_as_data_quietly_and_with_every_command(imagebuild: Runner) -> None:
    recipe = imagebuild.recipe("web")
    done = imagebuild("build", recipe, "--json")
    (image,) = json.loads(done.stdout)
    assert (image["name"], image["verdict"], image["exit_code"], image["unchanged"]) == ("web", "passed", 0, False)
    assert (image["image"], image["failed"]) == ("out/web/web.raw", [])
    assert done.stderr, "progress is on stderr"
    assert imagebuild("build", recipe, "--quiet", "--force") == Done(0, "", "")
    shown = imagebuild("build", recipe, "--verbose", "--force").stdout
    assert "Z secrets: []\n" in (imagebuild.folder / "out/web/build.log").read_text(), "a line for the log alone"
    assert "Z secrets: []\n" in shown
    assert "secrets: []" not in imagebuild("build", recipe, "--force").stdout


def test_several_as_data_and_quietly(imagebuild: Runner) -> None:
    recipes = [imagebuild.recipe(name) for name in ("one", "two")]
    done = imagebuild("build", *recipes, "--json", "--jobs", "1", "--keep-going", FAKE_BUILD="fails:two")
    one, two = json.loads(done.stdout)
    assert (one["verdict"], two["verdict"], two["exit_code"]) == ("passed", None, 5)
    assert two["error"][0].startswith("error: ")
    quiet = imagebuild("build", *recipes, "--quiet", "--jobs", "1", "--force")
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")


def test_verify_as_data(imagebuild: Runner) -> None:
    assert imagebuild("build", imagebuild.recipe("web"), "--quiet").returncode == 0
    done = imagebuild("verify", "out/web/web.raw", "--json")
    assert json.loads(done.stdout)["verdict"] == "passed"
    assert imagebuild("verify", "out/web/web.raw", "--quiet").stdout == ""
