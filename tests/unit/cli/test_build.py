"""`build` and `verify` as processes: exit codes, what lies in the output directory, what is said."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import time
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.unit.cli.conftest import Runner

HASH = "$6$salt$" + "x" * 86
ARTIFACTS = {
    "SHA256SUMS", "packages.json", "plan.json", "report.html", "report.json", "junit.xml", "build.log",
    "sbom.spdx.json", "sbom.cdx.json", "provenance.json",
    "recipe.yaml",
}  # fmt: skip
CONSOLES = {"console-qemu.log", "console-xen.log"}


def report_of(imagebuild: Runner, folder: str) -> dict[str, object]:
    report: dict[str, object] = json.loads((imagebuild.folder / folder / "report.json").read_bytes())
    return report


def test_a_passed_image(imagebuild: Runner) -> None:
    done = imagebuild("build", imagebuild.recipe("web"))
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert imagebuild.names("out/web") == {"web.raw"} | ARTIFACTS | CONSOLES
    report = report_of(imagebuild, "out/web")
    assert report["verdict"] == "passed"
    assert "web: passed" in done.stdout
    assert (
        subprocess.run(["sha256sum", "-c", "--quiet", "SHA256SUMS"], cwd=imagebuild.folder / "out/web").returncode == 0
    )
    assert "\x1b" not in done.stdout, "a guest's escape sequences reach no terminal"


@pytest.mark.parametrize(
    ("how", "code", "image", "verdict"),
    [
        ("failed", 10, "web.raw.rejected", "failed"),
        ("nothing", 6, "web.raw.unverified", "unverified"),
        ("error", 6, "web.raw.unverified", "unverified"),
        ("lacking", 4, "web.raw.unverified", "unverified"),
    ],
)
def test_an_image_that_did_not_pass(imagebuild: Runner, how: str, code: int, image: str, verdict: str) -> None:
    recipe = imagebuild.recipe("web")
    assert imagebuild("build", recipe).returncode == 0
    done = imagebuild("build", recipe, FAKE_VERIFY=how)
    assert done.returncode == code
    assert imagebuild.names("out/web") == {image} | ARTIFACTS | CONSOLES, "the older image is gone"
    report = report_of(imagebuild, "out/web")
    assert report["verdict"] == verdict
    assert report["image"]["path"] == image  # type: ignore[index]
    sums = (imagebuild.folder / "out/web/SHA256SUMS").read_text()
    assert f"{hashlib.sha256(b'image of web').hexdigest()}  {image}\n" in sums
    root = ElementTree.parse(imagebuild.folder / "out/web/junit.xml").getroot()
    assert int(root.get("failures", 0)) + int(root.get("errors", 0)) > 0


def test_the_page_tells_what_is_new(imagebuild: Runner) -> None:
    recipe = imagebuild.recipe("web")
    page = imagebuild.folder / "out/web/report.html"
    imagebuild("build", recipe)
    assert "Since the previous build" not in page.read_text()
    imagebuild("build", recipe, FAKE_VERIFY="failed", FAKE_CONTENT="2")
    text = page.read_text()
    assert "Since the previous build" in text
    assert "Failed: this image is bad" in text
    assert "a line of the guest" in text.replace("\u241b[2J\u2407 ", ""), (
        "the check's detail, without control characters"
    )


def test_why_it_could_not_be_verified(imagebuild: Runner) -> None:
    done = imagebuild("build", imagebuild.recipe("web"), FAKE_VERIFY="error")
    assert "error: the test host could not be made" in done.stderr
    assert "what to do: go online" in done.stderr
    assert report_of(imagebuild, "out/web")["unverified_because"] == "the test host could not be made"


def test_no_verify(imagebuild: Runner) -> None:
    done = imagebuild("build", "--no-verify", imagebuild.recipe("web"))
    assert done.returncode == 0
    assert imagebuild.names("out/web") == {"web.raw"} | ARTIFACTS
    report = report_of(imagebuild, "out/web")
    assert (report["verdict"], report["unverified_because"]) == ("unverified", "--no-verify")


def test_machines_are_those_wanted_and_in_the_recipe(imagebuild: Runner) -> None:
    recipe = imagebuild.recipe("web", "verify: {xen: false}\n")
    assert imagebuild("build", recipe, "--with", "xen,qemu").returncode == 0
    assert [check["machine"] for check in report_of(imagebuild, "out/web")["checks"]] == ["qemu"]  # type: ignore[attr-defined]
    done = imagebuild("build", recipe, "--with", "xen")
    assert done.returncode == 2
    assert done.stderr.startswith("web.yaml:5:")


def test_a_stand_in_is_not_enough_where_the_genuine_loader_is_required(imagebuild: Runner) -> None:
    recipe = imagebuild.recipe("web")
    done = imagebuild("build", recipe, "--require", "pv-grub")
    assert done.returncode == 6
    assert "web.raw.unverified" in imagebuild.names("out/web")
    (imagebuild.folder / "pv-grub").write_text("genuine")
    assert imagebuild("build", recipe, "--require", "pv-grub", "--pv-grub", "pv-grub").returncode == 0
    assert imagebuild("build", recipe, "--require", "pv-grub", IMAGEBUILD_PV_GRUB="pv-grub").returncode == 0
    assert imagebuild("build", recipe, "--require", "pv-grub", FAKE_VERIFY="failed").returncode == 10


@pytest.mark.parametrize(
    ("how", "code", "said"),
    [
        ("fails", 5, "error: mke2fs failed\n  no room for inodes\nwhat to do: make the disk larger\n"),
        ("no-space", 5, "error: no space left on the filesystem"),
        ("bug", 1, "internal error: ZeroDivisionError: a fault of imagebuild's\nwhat to do: please report this"),
    ],
)
def test_a_failed_build_leaves_the_older_result_whole(imagebuild: Runner, how: str, code: int, said: str) -> None:
    recipe = imagebuild.recipe("web")
    imagebuild("build", recipe)
    before = (imagebuild.folder / "out/web/report.json").read_bytes()
    done = imagebuild("build", recipe, FAKE_BUILD=how, FAKE_CONTENT="2")
    assert done.returncode == code
    assert done.stderr.startswith(said)
    assert "Traceback" not in done.stderr
    assert imagebuild.names("out/web") == {"web.raw"} | ARTIFACTS | CONSOLES
    assert (imagebuild.folder / "out/web/report.json").read_bytes() == before
    assert said.splitlines()[0] in (imagebuild.folder / "out/web/build.log").read_text()


def test_the_traceback_of_a_bug_is_in_the_log_and_with_debug_on_the_screen(imagebuild: Runner) -> None:
    done = imagebuild("build", "--debug", imagebuild.recipe("web"), FAKE_BUILD="bug")
    assert "Traceback" in done.stderr
    assert "Traceback" in (imagebuild.folder / "out/web/build.log").read_text()


def test_all_mistakes_of_all_recipes_come_before_any_work(imagebuild: Runner) -> None:
    bad = imagebuild.recipe("bad", "nonsense: 1\nboot: {timeout: -1}\n")
    no_password = imagebuild.recipe("no-password", "system: {root_password: {env: NOT_SET}}\n")
    done = imagebuild("build", imagebuild.recipe("web"), bad, no_password)
    assert done.returncode == 2
    assert {line.split(": ")[1] for line in done.stderr.splitlines()} == {
        "nonsense",
        "boot.timeout",
        "system.root_password.env",
    }
    assert not (imagebuild.folder / "out").exists()


def test_what_no_loader_boots_is_exit_code_3_with_its_place(imagebuild: Runner) -> None:
    recipe = imagebuild.recipe("web").replace("web", "lvm")
    lvm = (
        "name: lvm\nrootfs: {debian: {suite: bookworm}}\ndisk:\n  layout: hd00\n  size: 1GiB\n"
        "  partitions:\n    - {size: rest, volume_group: vg0}\n"
        "  volume_groups: {vg0: [{name: root, size: rest, mount: /, filesystem: ext4}]}\n"
    )
    (imagebuild.folder / recipe).write_text(lvm)
    done = imagebuild("build", recipe)
    assert done.returncode == 3
    assert done.stderr.startswith("lvm.yaml:8:")
    assert "what to do: " in done.stderr


def test_the_same_name_twice(imagebuild: Runner) -> None:
    first = imagebuild.recipe("web")
    (imagebuild.folder / "again.yaml").write_bytes((imagebuild.folder / first).read_bytes())
    done = imagebuild("build", first, "again.yaml")
    assert done.returncode == 2
    assert done.stderr.startswith("again.yaml:1:7: name: found web")


@pytest.mark.parametrize("place", ["env: ROOT_PW", "file: secret", f"hash: '{HASH}'"])
def test_a_password_is_never_shown(imagebuild: Runner, place: str) -> None:
    (imagebuild.folder / "secret").write_text(HASH + "\n")
    done = imagebuild("build", imagebuild.recipe("web", f"system: {{root_password: {{{place}}}}}\n"), ROOT_PW=HASH)
    assert done.returncode == 0, done.stderr
    assert "secrets: ['system.root_password']" in (imagebuild.folder / "out/web/build.log").read_text()
    for path in (imagebuild.folder / "out").rglob("*"):
        assert path.is_dir() or HASH.encode() not in path.read_bytes()
    assert HASH not in done.stdout + done.stderr


def test_a_password_must_be_a_hash(imagebuild: Runner) -> None:
    recipe = imagebuild.recipe("web", "system: {root_password: {env: ROOT_PW}}\n")
    done = imagebuild("build", recipe, ROOT_PW="hunter2")
    assert done.returncode == 2
    assert done.stderr.startswith("web.yaml:5:")
    assert "hunter2" not in done.stdout + done.stderr


def test_the_first_failure_ends_several_builds(imagebuild: Runner) -> None:
    recipes = [imagebuild.recipe(name) for name in ("one", "two", "three")]
    done = imagebuild("build", "--jobs", "1", *recipes, FAKE_BUILD="fails:two")
    assert done.returncode == 5
    words = [line.split() for line in done.stdout.splitlines()[-4:-1]]
    assert [row[1] for row in words] == ["passed", "not", "not"]
    assert [row[2] for row in words[1:]] == ["built", "started"]
    assert not (imagebuild.folder / "out/three").exists()


def test_keep_going_takes_the_worst_exit_code(imagebuild: Runner) -> None:
    recipes = [imagebuild.recipe(name) for name in ("one", "two", "three")]
    done = imagebuild("build", "--keep-going", "--jobs", "1", *recipes, FAKE_BUILD="fails:two")
    assert done.returncode == 5
    assert "three.raw" in imagebuild.names("out/three")
    assert done.stdout.endswith("2 of 3 done\n")


def test_output_folder_that_cannot_be_made(imagebuild: Runner) -> None:
    (imagebuild.folder / "out").write_text("a file")
    done = imagebuild("build", imagebuild.recipe("web"))
    assert done.returncode == 4
    assert done.stderr.startswith("error: the output directory out/web cannot be used")


@pytest.mark.parametrize(
    ("environment", "code"),
    [({}, 0), ({"FAKE_BUILD": "bug"}, 1), ({"FAKE_BUILD": "fails"}, 5), ({"FAKE_VERIFY": "error"}, 6),
     ({"FAKE_VERIFY": "failed"}, 10)],
)  # fmt: skip
def test_exit_code_of_the_process(imagebuild: Runner, environment: dict[str, str], code: int) -> None:
    assert imagebuild.process("build", imagebuild.recipe("web"), **environment).returncode == code


def await_ready(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if line.rstrip().endswith("READY"):
            return
    raise AssertionError(f"ended early: {process.communicate()}")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("where", ["FAKE_BUILD", "FAKE_VERIFY"])
def test_a_signal_leaves_nothing_half_made(imagebuild: Runner, number: signal.Signals, where: str) -> None:
    recipe = imagebuild.recipe("web")
    imagebuild("build", recipe)
    before = (imagebuild.folder / "out/web/report.json").read_bytes()
    process = imagebuild.start("build", recipe, imagebuild.recipe("next"), "--keep-going", "-j1", **{where: "slow"})
    await_ready(process)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said == "interrupted: nothing was left behind; run the same command again\n"
    assert imagebuild.names("out/web") == {"web.raw"} | ARTIFACTS | CONSOLES
    assert (imagebuild.folder / "out/web/report.json").read_bytes() == before
    assert not (imagebuild.folder / "out/next").exists()
    assert imagebuild("build", recipe).returncode == 0, "the next run works"


def test_two_builds_of_one_output(imagebuild: Runner) -> None:
    recipe = imagebuild.recipe("web")
    process = imagebuild.start("build", recipe, FAKE_BUILD="slow")
    await_ready(process)
    log = (imagebuild.folder / "out/web/build.log").read_bytes()
    done = imagebuild("build", recipe)
    assert done.returncode == 5
    assert "another run of imagebuild is writing into out/web" in done.stderr
    assert (imagebuild.folder / "out/web/build.log").read_bytes() == log
    assert "web.raw.partial" in imagebuild.names("out/web")


def test_what_a_killed_run_left_is_removed(imagebuild: Runner) -> None:
    recipe = imagebuild.recipe("web")
    process = imagebuild.start("build", recipe, FAKE_VERIFY="slow")
    await_ready(process)
    process.kill()
    process.communicate()
    assert {"web.raw.partial", "consoles.partial"} <= imagebuild.names("out/web")
    assert imagebuild("build", recipe, FAKE_BUILD="fails").returncode == 5
    assert imagebuild.names("out/web") == {"build.log"}


def test_a_reader_that_goes_away_ends_the_build(imagebuild: Runner) -> None:
    process = imagebuild.start("build", imagebuild.recipe("web"))
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait(60) == 141
    assert imagebuild.names("out/web") == {"build.log"}


def test_verify_any_image(imagebuild: Runner) -> None:
    (imagebuild.folder / "old.img").write_bytes(b"somebody's image")
    done = imagebuild("verify", "old.img", "--with", "static,xen")
    assert done.returncode == 0, done.stderr
    assert imagebuild.names("old.img.verify") == {
        "report.html", "report.json", "junit.xml", "verify.log", "console-xen.log",
    }  # fmt: skip
    report = report_of(imagebuild, "old.img.verify")
    assert report["image"]["path"] == str(imagebuild.folder / "old.img")  # type: ignore[index]
    assert imagebuild("verify", "old.img", "-o", "there", FAKE_VERIFY="failed").returncode == 10
    assert imagebuild("verify", "old.img", "-o", "there", FAKE_VERIFY="error").returncode == 6
    assert report_of(imagebuild, "there")["verdict"] == "unverified"
    assert (imagebuild.folder / "old.img").read_bytes() == b"somebody's image"


def test_verify_into_the_image_s_own_folder_keeps_the_image(imagebuild: Runner) -> None:
    imagebuild("build", imagebuild.recipe("web"))
    assert imagebuild("verify", "out/web/web.raw", "-o", "out/web").returncode == 0
    assert imagebuild.names("out/web") == {"web.raw", "verify.log"} | ARTIFACTS | CONSOLES
    assert report_of(imagebuild, "out/web")["image"]["path"] == "web.raw"  # type: ignore[index]


def test_live_display_on_a_terminal(imagebuild: Runner) -> None:
    """On a terminal: colours and ticks, no time stamps, the cursor is back at the end, also after Ctrl-C."""
    recipe = imagebuild.recipe("web")
    said, code = on_a_terminal(imagebuild, "build", recipe)
    assert code == 0
    assert "✓ filesystems" in said
    assert "\x1b[2J" not in said, "a guest's escape sequence did not reach the terminal"
    assert said.rfind("\x1b[?25h") > said.rfind("\x1b[?25l")
    said, code = on_a_terminal(imagebuild, "build", recipe, press="\x03", FAKE_BUILD="slow")
    assert code == 130
    assert "✗ filesystems" in said
    assert "interrupted: nothing was left behind" in said
    assert said.rfind("\x1b[?25h") > said.rfind("\x1b[?25l")


def on_a_terminal(imagebuild: Runner, *words: str, press: str = "", **environment: str) -> tuple[str, int]:
    """Run on a pseudo terminal; `press` is typed once READY is seen."""
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        ["setsid", "--ctty", "--wait", *imagebuild.words(*words)], cwd=imagebuild.folder,
        env=imagebuild.environment({"TERM": "xterm", **environment}), stdin=theirs, stdout=theirs, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    said = b""
    limit = time.monotonic() + 60
    try:
        while time.monotonic() < limit:
            try:
                chunk = os.read(ours, 65536)
            except OSError:  # EIO: the other side has been closed
                break
            said += chunk
            if press and b"READY" in said:
                os.write(ours, press.encode())
                press = ""
        return said.decode(), process.wait(60)
    finally:
        os.close(ours)
        process.kill()
        process.wait()


def test_a_locale_without_ticks(imagebuild: Runner) -> None:
    said, code = on_a_terminal(imagebuild, "build", imagebuild.recipe("web"), PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert code == 0
    assert "passed" in said


def test_paths(imagebuild: Runner) -> None:
    """-o with an absolute path, and a recipe elsewhere."""
    elsewhere = imagebuild.folder / "deep" / "er"
    elsewhere.mkdir(parents=True)
    recipe = Path(imagebuild.recipe("web")).name
    (imagebuild.folder / recipe).rename(elsewhere / recipe)
    assert imagebuild("build", f"deep/er/{recipe}", "-o", str(imagebuild.folder / "a b")).returncode == 0
    assert "web.raw" in imagebuild.names("a b/web")


def test_other_outputs_and_the_signature_are_listed_and_replaced(imagebuild: Runner) -> None:
    key = imagebuild.folder / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    recipe = imagebuild.recipe("web", "outputs: [raw, raw.zst]\n")
    assert imagebuild("build", recipe, "--sign-key", "key").returncode == 0
    names = imagebuild.names("out/web")
    assert names == {"web.raw", "web.raw.zst", "SHA256SUMS.sig"} | ARTIFACTS | CONSOLES
    subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=imagebuild.folder / "out/web", check=True)
    listed = {line.split()[1] for line in (imagebuild.folder / "out/web/SHA256SUMS").read_text().splitlines()}
    assert listed == {"web.raw", "web.raw.zst", "plan.json", "packages.json", "sbom.spdx.json", "sbom.cdx.json",
                      "provenance.json", "recipe.yaml"}  # fmt: skip
    secret = "".join(key.read_text().splitlines()[1:-1])[70:110]
    for path in (imagebuild.folder / "out").rglob("*"):
        assert path.is_dir() or secret not in path.read_text(errors="replace")
    assert imagebuild("build", imagebuild.recipe("web"), FAKE_VERIFY="failed").returncode == 10
    assert imagebuild.names("out/web") == {"web.raw.rejected"} | ARTIFACTS | CONSOLES
    assert imagebuild("build", recipe, "--sign-key", "no-key").returncode == 2


def test_a_vagrant_box_is_refused_with_the_reason(imagebuild: Runner) -> None:
    done = imagebuild("build", imagebuild.recipe("web", "outputs: [raw, vagrant]\n"))
    assert done.returncode == 2
    assert "has none (its loader is outside the image)" in done.stderr
