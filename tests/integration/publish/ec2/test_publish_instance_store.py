"""Publishing as an instance-store bundle, against the strict front; openssl, gzip and tar as the oracle."""

from __future__ import annotations

import hashlib
import json
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import boto3
import pytest

from tests.integration.publish.ec2.conftest import Ended, write_report
from tests.integration.publish.ec2.strict_front import Fault, Front
from tests.unit.publish.ec2.keypairs import Pair

pytestmark = pytest.mark.integration
Imagebuild = Callable[..., Ended]
MIB = 2**20


@pytest.fixture
def words(user: Pair, ec2: Pair, front: Front) -> tuple[object, ...]:
    boto3.client("s3", region_name="us-east-1").create_bucket(Bucket="images-us-east-1")
    return (
        "--store", "instance-store", "--bucket", "images-{region}/debian", "--user", "1234-5678-9012",
        "--cert", user.certificate, "--key", user.key, "--ec2cert", ec2.certificate,
    )  # fmt: skip


def shell(script: str, folder: Path) -> str:
    done = subprocess.run(["bash", "-euc", f"set -o pipefail; {script}"], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def decrypted_by_openssl(folder: Path, key: Path) -> Path:
    """The image, by openssl, gunzip and tar alone, with the manifest's own signature and digests checked by them."""
    (manifest,) = folder.glob("*.manifest.xml")
    text = manifest.read_text()
    root = ET.fromstring(text)
    parts = [part.findtext("filename") or "" for part in root.findall("image/parts/part")]
    for tag in ("user_encrypted_key", "user_encrypted_iv"):
        (folder / tag).write_bytes(bytes.fromhex(root.findtext(f"image/{tag}") or ""))
    options = f"-inkey {key} -pkeyopt rsa_padding_mode:pkcs1"
    aes, iv = (shell(f"openssl pkeyutl -decrypt {options} -in user_encrypted_{name}", folder) for name in ("key", "iv"))
    signed = text[text.index("<machine_configuration>") : text.index("</image>") + len("</image>")]
    (folder / "signed").write_text(signed)
    (folder / "signature").write_bytes(bytes.fromhex(root.findtext("signature") or ""))
    shell(f"openssl pkey -in {key} -pubout -out public.pem", folder)
    assert "Verified OK" in shell("openssl dgst -sha1 -verify public.pem -signature signature signed", folder)
    decrypt = f"openssl enc -d -aes-128-cbc -K {aes} -iv {iv}"
    digest = shell(f"cat {' '.join(parts)} | {decrypt} | gunzip | tee archive.tar | sha1sum", folder).split()[0]
    assert digest == root.findtext("image/digest")
    shell("mkdir back && tar -x -C back -f archive.tar", folder)
    (image,) = (folder / "back").iterdir()
    return image


def download(bucket: str, prefix: str, folder: Path) -> Path:
    s3 = boto3.client("s3", region_name="us-east-1")
    folder.mkdir()
    for item in s3.list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"]:
        (folder / item["Key"].rpartition("/")[2]).write_bytes(
            s3.get_object(Bucket=bucket, Key=item["Key"])["Body"].read()
        )
    return folder


def test_there_and_back_through_s3(
    front: Front, imagebuild: Imagebuild, hd0: Path, words: tuple[object, ...], user: Pair, tmp_path: Path
) -> None:
    ended = imagebuild("publish", hd0, "--region", "us-east-1", *words, "-B", "ephemeral0=sdb", "--json")
    assert ended.code == 0, ended.err
    assert front.refused == []
    (published,) = json.loads(ended.out)
    (image,) = front.account.images["us-east-1"].values()
    name = f"plain-{hashlib.sha256(hd0.read_bytes()).hexdigest()[:12]}-pv-s3"
    assert image["ImageLocation"] == published["location"] == f"images-us-east-1/debian/{name}.manifest.xml"
    assert image["Name"] == name
    assert (image["KernelId"], image["RootDeviceName"], image["Architecture"]) == ("aki-5c21674b", None, "x86_64")
    folder = download("images-us-east-1", f"debian/{name}", tmp_path / "fetched")
    back = decrypted_by_openssl(folder, user.key)
    assert back.read_bytes() == hd0.read_bytes()
    assert not any((tmp_path / "cache" / "bundles").iterdir()), "the bundle has done its duty"

    before = len(front.changes())
    again = imagebuild("publish", hd0, "--region", "us-east-1", *words, "-B", "ephemeral0=sdb", "--json")
    assert again.code == 0, again.err
    assert front.changes()[before:] == []
    (found,) = json.loads(again.out)
    assert found | {"changed": True} == published


def test_an_interrupted_upload_is_gone_on_with(
    front: Front,
    imagebuild: Imagebuild,
    hd0: Path,
    words: tuple[object, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A connection cut in the middle of a part, for good: the next run sends what is missing of the same bundle."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with hd0.open("r+b") as file:  # three parts
        file.truncate(25 * MIB)
        file.seek(8 * MIB)
        file.write(hashlib.shake_256(b"noise").digest(16 * MIB))
    write_report(hd0)
    run = ("publish", hd0, "--region", "us-east-1", *words, "--workers", "1", "--name", "interrupted")
    front.faults.append(Fault("PutObject", "cut", times=1000, after=1))
    ended = imagebuild(*run)
    assert (ended.code, "the connection failed" in ended.err) == (7, True), ended.err
    front.faults.clear()
    sent = len([call for call in front.changes() if call[1] == "PutObject"])
    ended = imagebuild(*run)
    assert ended.code == 0, ended.err
    assert "bundle: 0.0 s, nothing to do" in ended.err
    assert sent == 1
    assert len([call for call in front.changes() if call[1] == "PutObject"]) == 3, "two parts and a manifest in all"
    assert front.refused == []


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Fault("PutObject", "damaged", times=9), "the data arrived damaged"),
        (Fault("PutObject", "expired", times=9), "the AWS credentials have expired"),
        (Fault("PutObject", "throttled", times=9), "keeps throttling"),
    ],
)
def test_s3_refuses(
    fault: Fault, message: str, front: Front, imagebuild: Imagebuild, hd0: Path, words: tuple[object, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    front.faults.append(fault)
    run = ("publish", hd0, "--region", "us-east-1", *words, "--bucket", f"images-{{region}}/{fault.kind}")
    ended = imagebuild(*run)
    assert (ended.code, message in ended.err) == (7, True), ended.err
    front.faults.clear()
    assert imagebuild(*run).code == 0


def test_no_such_bucket(front: Front, imagebuild: Imagebuild, hd0: Path, words: tuple[object, ...]) -> None:
    ended = imagebuild("publish", hd0, "--region", "us-east-1", *words, "--bucket", "no-such-bucket-here")
    assert (ended.code, "there is no such bucket" in ended.err) == (7, True)


def test_a_bundle_by_gnu_tar_and_openssl_is_read(imagebuild: Imagebuild, hd0: Path, user: Pair, tmp_path: Path) -> None:
    """As ec2-ami-tools makes one: tar -S, gzip, openssl, split; part numbers without padding."""
    from imagebuild.publish.ec2.keys import encrypt_hex, load_certificate, load_private_key, sign
    from imagebuild.publish.ec2.manifest import Machine, Manifest, Part, write_manifest

    folder = tmp_path / "theirs"
    folder.mkdir()
    with hd0.open("r+b") as file:
        file.truncate(64 * MIB)
    key, iv = bytes(range(16)), bytes(range(16, 32))
    tar = f"tar --format=gnu -S -C {hd0.parent} -c {hd0.name}"
    encrypt = f"openssl enc -e -aes-128-cbc -K {key.hex()} -iv {iv.hex()}"
    digest = shell(f"{tar} | tee >(gzip | {encrypt} > whole) | sha1sum", folder).split()[0]
    whole = (folder / "whole").read_bytes()
    parts = []
    for index in range(-(-len(whole) // 10485760)):
        data = whole[index * 10485760 : (index + 1) * 10485760]
        (folder / f"{hd0.name}.part.{index}").write_bytes(data)
        parts.append(Part(f"{hd0.name}.part.{index}", hashlib.sha1(data).hexdigest()))
    public = load_certificate(user.certificate)
    locked_key, locked_iv = encrypt_hex(public, key), encrypt_hex(public, iv)
    manifest = Manifest(
        machine=Machine("x86_64"), name=hd0.name, account="123456789012", digest=digest, size_bytes=64 * MIB,
        bundled_bytes=len(whole), ec2_key=locked_key, user_key=locked_key, ec2_iv=locked_iv, user_iv=locked_iv,
        parts=tuple(parts),
    )  # fmt: skip
    text = write_manifest(manifest, lambda signed: sign(load_private_key(user.key), signed))
    (folder / "theirs.manifest.xml").write_bytes(text)
    ended = imagebuild("unbundle", folder / "theirs.manifest.xml", "--key", user.key, "-d", tmp_path / "back")
    assert ended.code == 0, ended.err
    assert (tmp_path / "back" / hd0.name).read_bytes() == hd0.read_bytes()


def test_the_verbs_bundle_and_unbundle(
    imagebuild: Imagebuild, hd00: Path, user: Pair, ec2: Pair, tmp_path: Path
) -> None:
    keys = ("--cert", user.certificate, "--key", user.key, "--ec2cert", ec2.certificate, "--user", "123456789012")
    ended = imagebuild("bundle", hd00, *keys, "-d", tmp_path / "b", "--kernel", "aki-88aa75e1")
    assert (ended.code, "aki-5c21674b" in ended.err) == (7, True), "1.03's hd0 for a partitioned image"
    ended = imagebuild("bundle", hd00, *keys, "-d", tmp_path / "b", "--ramdisk", "ari-12345678")
    assert (ended.code, "ramdisk" in ended.err) == (7, True)
    mapping = ("--block-device-mapping", "ami=sda", "--block-device-mapping", "root=/dev/sda")
    ended = imagebuild("bundle", hd00, *keys, "-d", tmp_path / "b", "--kernel", "aki-b4aa75dd", *mapping)
    assert ended.code == 0, ended.err
    manifest = Path(ended.out.strip())
    assert "<kernel_id>aki-b4aa75dd</kernel_id>" in manifest.read_text()
    assert "bundle: 100% of" in ended.err
    assert decrypted_by_openssl(tmp_path / "b", user.key).read_bytes() == hd00.read_bytes()
    ended = imagebuild("unbundle", manifest, "--key", user.key, "-d", tmp_path / "back")
    assert ended.code == 0, ended.err
    assert (tmp_path / "back" / hd00.name).read_bytes() == hd00.read_bytes()
    ended = imagebuild("unbundle", manifest, "--key", ec2.key, "-d", tmp_path / "wrong")
    assert (ended.code, "not the one that the bundle was made with" in ended.err) == (7, True)
    assert not (tmp_path / "wrong").exists()
