"""Nothing that anybody may read holds a secret: outputs of good and bad runs, and what lies on disk, are searched."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from imagebuild.publish.ec2.keys import load_private_key
from imagebuild.publish.ec2.unbundle import open_manifest, unlock
from tests.integration.publish.ec2.conftest import SECRET_KEY, SESSION_TOKEN, Ended
from tests.integration.publish.ec2.strict_front import Fault, Front
from tests.unit.publish.ec2.keypairs import Pair

pytestmark = pytest.mark.integration
Imagebuild = Callable[..., Ended]


def needles(user: Pair, manifests: Iterator[Path]) -> list[bytes]:
    """Credentials, the private key in several forms, and each bundle's AES key and IV."""
    private = load_pem_private_key(user.key.read_bytes(), None)
    assert isinstance(private, RSAPrivateKey)
    numbers = private.private_numbers()
    found = [SECRET_KEY.encode(), SESSION_TOKEN.encode()]
    for number in (numbers.d, numbers.p, numbers.q):
        raw = number.to_bytes((number.bit_length() + 7) // 8, "big")
        found += [raw, raw.hex().encode(), str(number).encode()]
    found += [line.encode() for line in user.key.read_text().splitlines() if len(line) > 40 and "-----" not in line]
    for path in manifests:
        session = unlock(open_manifest(path), load_private_key(user.key))
        for secret in (session.key, session.iv):
            found += [secret, secret.hex().encode(), repr(secret)[2:-1].encode()]
    return found


def test_no_output_holds_a_secret(
    front: Front,
    imagebuild: Imagebuild,
    hd0: Path,
    user: Pair,
    ec2: Pair,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    boto3.client("s3", region_name="us-east-1").create_bucket(Bucket="secret-images")
    keys = ("--cert", user.certificate, "--key", user.key, "--ec2cert", ec2.certificate, "--user", "123456789012")
    store = ("--store", "instance-store", "--bucket", "secret-images", *keys)
    broken = tmp_path / "broken.pem"
    broken.write_text(user.key.read_text().replace("\n", "\n!", 3))
    region = ("--region", "us-east-1", "--debug")
    ends = [
        imagebuild("publish", hd0, *region, *store, "--dry-run"),
        imagebuild("publish", hd0, *region, *store, "--key", broken),
        imagebuild("bundle", hd0, *keys, "-d", tmp_path / "bundle", "--debug"),
        imagebuild("bundle", hd0, *keys, "-d", tmp_path / "bundle", "--debug"),
        imagebuild("unbundle", tmp_path / "bundle/plain.raw.manifest.xml", "--key", ec2.key, "--debug"),
    ]
    for operation, kind in (("PutObject", "cut"), ("PutObject", "denied"), ("RegisterImage", "expired")):
        front.faults[:] = [Fault(operation, kind, times=9)]  # type: ignore[arg-type]
        ends.append(imagebuild("publish", hd0, *region, *store))
    kept = list((tmp_path / "cache").rglob("*.manifest.xml"))
    assert kept, "the bundle of the failed run is still there to be looked into"
    searched = needles(user, iter([*kept, tmp_path / "bundle/plain.raw.manifest.xml"]))
    front.faults.clear()
    ends.append(imagebuild("publish", hd0, *region, *store))
    ends.append(imagebuild("publish", hd0, *region, "--json"))
    assert [end.code for end in ends] == [0, 7, 0, 7, 7, 7, 7, 7, 0, 0]
    assert "Traceback" in ends[5].err, "--debug: tracebacks are searched too"

    texts = [f"{end.out}{end.err}".encode() for end in ends] + [caplog.text.encode()]
    files = [path for folder in ("cache", "out", "bundle") for path in (tmp_path / folder).rglob("*") if path.is_file()]
    texts += [path.read_bytes() for path in files]
    assert len(files) > 3
    for text in texts:
        for needle in searched:
            assert needle not in text
    assert re.search(rb"AKIA", b"".join(texts)) is None, "not even the access key's id"
