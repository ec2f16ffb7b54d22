"""moto's server behind the strict front, on the loopback; tiny images with a menu and a kernel; throw-away keys."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from imagebuild.report import Boot, BootEnd, Check, ImageFacts, Loader, Outcome, Report, Verdict
from imagebuild.vocabulary import MachineName
from tests.integration.publish.ec2.strict_front import Front
from tests.unit.publish.ec2.keypairs import Pair, make_pair

ACCESS_KEY = "AKIAIMAGEBUILDTESTS0"
SECRET_KEY = "sEcReT-0123456789-never-to-be-seen-anywhere"
SESSION_TOKEN = "tOkEn-9876543210-never-to-be-seen-anywhere"
MIB = 2**20


@pytest.fixture(scope="session")
def front_of_moto(needs: Callable[..., None]) -> Iterator[Front]:
    needs("mke2fs", "openssl")
    from moto.server import ThreadedMotoServer

    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    front = Front(host, port, ACCESS_KEY)
    yield front
    front.close()
    moto.stop()


@pytest.fixture
def front(front_of_moto: Front, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Front:
    """A fresh account (moto itself is kept: its start takes seconds). boto3 finds it by AWS_ENDPOINT_URL."""
    front = front_of_moto
    front.reset()
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    nowhere = str(tmp_path / "no-such-file")
    settings = {
        "AWS_ENDPOINT_URL": front.url,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_SESSION_TOKEN": SESSION_TOKEN,
        "AWS_CONFIG_FILE": nowhere,
        "AWS_SHARED_CREDENTIALS_FILE": nowhere,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_MAX_ATTEMPTS": "3",
        "IMAGEBUILD_CACHE": str(tmp_path / "cache"),
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    # boto3 keeps the credentials that it found first, whoever looked for them
    monkeypatch.setattr("boto3.DEFAULT_SESSION", None)
    return front


@dataclass(frozen=True)
class Ended:
    """How a run of the command line ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def imagebuild(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    def call(*words: object) -> Ended:
        from imagebuild.cli.run import run

        capsys.readouterr()
        code = run([str(word) for word in words])
        captured = capsys.readouterr()
        return Ended(code, captured.out, captured.err)

    return call


def kernel(architecture: str = "x86_64") -> bytes:
    """Enough of a bzImage's setup header to be one (boot protocol 2.15, an xz payload), and noise to upload."""
    data = bytearray(hashlib.shake_256(b"kernel").digest(40_000))
    data[0:0x264] = bytes(0x264)
    data[0x1F1] = 4
    data[0x202:0x206] = b"HdrS"
    data[0x206:0x208] = bytes([15, 2])
    data[0x236] = 1 if architecture == "x86_64" else 0
    data[0x248:0x250] = (0).to_bytes(4, "little") + (16).to_bytes(4, "little")
    data[2560:2566] = b"\xfd7zXZ\0"
    return bytes(data)


def filesystem(path: Path, root: str, architecture: str = "x86_64", size: int = 8 * MIB) -> None:
    """An ext2 file system that fills `path`, with a menu and a kernel."""
    tree = path.with_name(f"{path.name}.tree")
    (tree / "boot/grub").mkdir(parents=True)
    (tree / "boot/vmlinuz").write_bytes(kernel(architecture))
    (tree / "boot/grub/menu.lst").write_text(
        f"default 0\ntimeout 3\ntitle Linux\nroot {root}\nkernel /boot/vmlinuz root=LABEL=root ro console=hvc0\n"
    )
    with path.open("wb") as file:
        file.truncate(size)
    subprocess.run(["mke2fs", "-q", "-F", "-t", "ext2", "-d", str(tree), str(path)], check=True)


def mbr(sectors: int, *, code: bytes = b"", flag: int = 0) -> bytes:
    entry = bytes([flag, 0, 0, 0, 0x83, 0, 0, 0]) + (2048).to_bytes(4, "little") + sectors.to_bytes(4, "little")
    return code.ljust(446, b"\0") + entry + bytes(48) + b"\x55\xaa"


def booted(machine: MachineName) -> Boot:
    return Boot(
        machine=machine, end=BootEnd.REACHED, milestones=(), console=f"console-{machine}.log",
        loader=Loader(kind="own", version="GRUB 2"), seconds=1,
    )  # fmt: skip


def write_report(
    image: Path, verdict: Verdict = Verdict.PASSED, sha256: str | None = None, boots: Sequence[MachineName] = ()
) -> None:
    found = image.stat()
    outcome = Outcome.PASSED if verdict is Verdict.PASSED else Outcome.FAILED
    report = Report(
        name=image.stem,
        verdict=verdict,
        image=ImageFacts(
            path=image.name,
            sha256=sha256 or hashlib.sha256(image.read_bytes()).hexdigest(),
            size_bytes=found.st_size,
            real_bytes=found.st_blocks * 512,
        ),
        checks=(Check(machine="static", name="menu", outcome=outcome, detail="for the tests"),),
        boots=tuple(map(booted, boots)),
    )
    (image.parent / "report.json").write_text(report.model_dump_json())


@pytest.fixture
def hd0(tmp_path: Path) -> Path:
    """A verified image without a partition table."""
    path = tmp_path / "out" / "plain.raw"
    path.parent.mkdir()
    filesystem(path, "(hd0)")
    write_report(path)
    return path


@pytest.fixture
def hd00(tmp_path: Path) -> Path:
    """A verified image with an MBR partition table and no boot code, as imagebuild makes them."""
    path = tmp_path / "parted" / "parted.raw"
    path.parent.mkdir()
    filesystem(path, "(hd0,0)")
    content = path.read_bytes()
    path.write_bytes(mbr(len(content) // 512).ljust(MIB, b"\0") + content)
    write_report(path)
    return path


@pytest.fixture(scope="session")
def user(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return make_pair(tmp_path_factory.mktemp("user"), "user")


@pytest.fixture(scope="session")
def ec2(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return make_pair(tmp_path_factory.mktemp("ec2"), "ec2")
