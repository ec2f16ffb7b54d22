"""An image's other shapes, its SBOMs and its signature, by the tools that others will read them with."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from imagebuild.artifacts import signature
from imagebuild.artifacts.outputs import OUTPUTS, make_output
from imagebuild.artifacts.provenance import provenance_text
from imagebuild.artifacts.sbom import Contents, cyclonedx_text, spdx_text
from imagebuild.errors import BuildError, HostError, RecipeError
from imagebuild.events import Quiet
from imagebuild.report import ImageFacts, Report, Verdict
from imagebuild.rootfs.packages import Package, Packages
from imagebuild.vocabulary import OutputFormat

pytestmark = pytest.mark.integration
MIB = 2**20


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Odd in size for every format (no whole cylinders, no whole MiB), with holes."""
    path = tmp_path / "an image: odd.raw"
    with path.open("wb") as file:
        file.write(os.urandom(3 * MIB))
        file.seek(20 * MIB)
        file.write(b"end")
        file.truncate(24 * MIB + 512)
    return path


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.needs("qemu-img")
@pytest.mark.parametrize("kind", OUTPUTS)
def test_every_shape_holds_the_same_disk(raw: Path, tmp_path: Path, kind: OutputFormat) -> None:
    target = tmp_path / f"out.{kind}.partial"
    made = make_output(raw, kind, target, raw_sha256=sha256(raw), progress=Quiet())
    assert made.sha256 == sha256(target)
    back = tmp_path / "back.raw"
    if kind == "raw.zst":
        subprocess.run(["zstd", "-q", "-d", str(target), "-o", str(back)], check=True)
    else:
        subprocess.run(["qemu-img", "convert", "-O", "raw", f"file:{target}", f"file:{back}"], check=True)
    assert back.stat().st_size == raw.stat().st_size
    assert sha256(back) == sha256(raw)
    assert target.stat().st_size < 8 * MIB, "holes take no room"


def test_compression_does_not_depend_on_the_machine(raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digests = set()
    for count in (1, 2, 7):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _pid, count=count: set(range(count)))
        digests.add(make_output(raw, "raw.zst", tmp_path / "z", raw_sha256=sha256(raw), progress=Quiet()).sha256)
    assert len(digests) == 1


def test_what_does_not_unpack_to_the_image_is_refused(raw: Path, tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="does not unpack"):
        make_output(raw, "raw.zst", tmp_path / "z", raw_sha256="0" * 64, progress=Quiet())


CONTENTS = Contents(
    name="web", version=None, image=ImageFacts(path="web.raw", sha256="ab" * 32, size_bytes=MIB, real_bytes=MIB),
    packages=Packages(tree="12" * 32, packages=(
        Package(name="bash", version="5.2.15-2+b2", architecture="amd64", sha256="cd" * 32),
        Package(name="libc6", version="1:2.36-9+deb12u4", architecture="i386"),
        Package(name="libc6", version="1:2.36-9+deb12u4", architecture="amd64"),
    )),
    made=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), suite="bookworm",
)  # fmt: skip


def test_cyclonedx() -> None:
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    text = cyclonedx_text(CONTENTS)
    found = json.loads(text)
    assert [part["purl"] for part in found["components"]] == [
        "pkg:deb/debian/bash@5.2.15-2%2Bb2?arch=amd64&distro=bookworm",
        "pkg:deb/debian/libc6@1:2.36-9%2Bdeb12u4?arch=amd64&distro=bookworm",
        "pkg:deb/debian/libc6@1:2.36-9%2Bdeb12u4?arch=i386&distro=bookworm",
    ]
    assert found["metadata"]["component"]["hashes"][0]["content"] == "ab" * 32
    try:
        assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    except ImportError:
        pytest.skip("the library's validator is not installed")
    assert cyclonedx_text(CONTENTS) == text


@pytest.mark.parametrize(
    ("family", "expected"),
    [
        ("fedora", "pkg:rpm/fedora/bash@6.1-3.fc99?arch=x86_64&epoch=2"),
        ("unknown", "pkg:rpm/bash@6.1-3.fc99?arch=x86_64&epoch=2"),
    ],
)
def test_an_rpm_is_no_deb(family: str, expected: str) -> None:
    package = Package(name="bash", version="2:6.1-3.fc99", architecture="x86_64", ecosystem="rpm")
    packages = Packages(tree="12" * 32, packages=(package,), family=family)
    contents = replace(CONTENTS, packages=packages, suite=None)
    assert json.loads(cyclonedx_text(contents))["components"][0]["purl"] == expected


def test_spdx(tmp_path: Path) -> None:
    from spdx_tools.spdx.parser.parse_anything import parse_file
    from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

    text = spdx_text(CONTENTS)
    (tmp_path / "sbom.spdx.json").write_text(text)
    document = parse_file(str(tmp_path / "sbom.spdx.json"))
    assert validate_full_spdx_document(document) == []
    assert [package.name for package in document.packages] == ["web", "bash", "libc6", "libc6"]
    assert spdx_text(CONTENTS) == text


def test_provenance() -> None:
    report = Report(name="web", verdict=Verdict.PASSED, image=CONTENTS.image, recipe_digest="34" * 32)
    found = json.loads(provenance_text(CONTENTS, report, {"web.raw": "ab" * 32}, {"kind": "x"}, CONTENTS.made))
    assert found["_type"] == "https://in-toto.io/Statement/v1"
    assert found["subject"] == [{"name": "web.raw", "digest": {"sha256": "ab" * 32}}]
    predicate = found["predicate"]
    assert predicate["buildDefinition"]["externalParameters"]["recipe"]["sha256"] == "34" * 32
    assert len(predicate["buildDefinition"]["resolvedDependencies"]) == 4
    assert predicate["runDetails"]["byproducts"][0]["annotations"]["verdict"] == "passed"
    assert predicate["runDetails"]["metadata"]["finishedOn"] == "2026-01-02T03:04:05Z"


def new_key(path: Path, passphrase: str = "") -> Path:
    words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-C", "builder", "-f", str(path)]
    subprocess.run(words, check=True)
    return path


@pytest.mark.needs("ssh-keygen")
def test_signature(tmp_path: Path) -> None:
    key = new_key(tmp_path / "key")
    signature.check_key(key)
    text = "00  web.raw\n"
    (tmp_path / "sig").write_text(signature.sign(text, key))
    (tmp_path / "signers").write_text(f"builder {(tmp_path / 'key.pub').read_text()}")
    words = ["ssh-keygen", "-Y", "verify", "-f", "signers", "-I", "builder", "-n", signature.NAMESPACE, "-s", "sig"]
    for message, code in ((text, 0), (text + "x", 255)):
        done = subprocess.run(words, cwd=tmp_path, input=message, text=True, capture_output=True)
        assert done.returncode == code, done.stderr


@pytest.mark.needs("ssh-keygen")
def test_keys_that_do_not_sign(tmp_path: Path) -> None:
    with pytest.raises(RecipeError):
        signature.check_key(tmp_path / "nothing")
    with pytest.raises(HostError, match="cannot sign"):
        signature.check_key(new_key(tmp_path / "locked", "secret"))
    (tmp_path / "text").write_text("no key")
    with pytest.raises(HostError, match="cannot sign"):
        signature.check_key(tmp_path / "text")
