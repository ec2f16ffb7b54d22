"""What AWS and the network do to a publication: overcome if it passes, exit code 7 and a remedy if it stays."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.publish.ec2.conftest import Ended
from tests.integration.publish.ec2.strict_front import Fault, FaultKind, Front

pytestmark = pytest.mark.integration
Imagebuild = Callable[..., Ended]
REGION = ("--region", "us-east-1")

PASSING: list[Fault] = [
    Fault("PutSnapshotBlock", "throttled"),
    Fault("PutSnapshotBlock", "cut", after=1),
    Fault("PutSnapshotBlock", "lost"),
    Fault("StartSnapshot", "lost"),
    Fault("CompleteSnapshot", "internal"),
    Fault("RegisterImage", "throttled"),
    Fault("RegisterImage", "lost"),
    Fault("DescribeImages", "unavailable"),
]


@pytest.mark.parametrize("fault", PASSING, ids=lambda fault: f"{fault.operation}-{fault.kind}")
def test_a_fault_that_passes_is_overcome(fault: Fault, front: Front, imagebuild: Imagebuild, hd0: Path) -> None:
    front.faults.append(Fault(fault.operation, fault.kind, fault.times, fault.after))
    ended = imagebuild("publish", hd0, *REGION)
    assert ended.code == 0, ended.err
    assert front.faults[0].times == 0, "the fault was met"
    assert len(front.account.images["us-east-1"]) == 1
    assert len(front.account.snapshots["us-east-1"]) == 1


STAYING: list[tuple[str, FaultKind, str, str]] = [
    ("PutSnapshotBlock", "expired", "credentials have expired", "renew them"),
    ("DescribeImages", "expired", "credentials have expired", "renew them"),
    ("PutSnapshotBlock", "throttled", "keeps throttling", "wait a few minutes"),
    ("RegisterImage", "unavailable", "AWS reported an internal error", "wait a while"),
    ("PutSnapshotBlock", "cut", "the connection failed", "check the network"),
    ("StartSnapshot", "quota", "a quota of the account is used up", "raise the quota"),
    ("PutSnapshotBlock", "damaged", "AWS refused it (ValidationException)", "run the same command again"),
    ("RegisterImage", "denied", "these credentials do not permit it", "(IAM)"),
]


@pytest.mark.parametrize(("operation", "kind", "brief", "remedy"), STAYING)
def test_a_fault_that_stays_ends_with_7_and_a_remedy(
    operation: str,
    kind: FaultKind,
    brief: str,
    remedy: str,
    front: Front,
    imagebuild: Imagebuild,
    hd0: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    front.faults.append(Fault(operation, kind, times=1000))
    ended = imagebuild("publish", hd0, *REGION)
    assert ended.code == 7
    assert brief in ended.err
    assert remedy in ended.err
    assert "Traceback" not in ended.err
    front.faults.clear()
    ended = imagebuild("publish", hd0, *REGION)
    assert ended.code == 0, ended.err
    assert len(front.account.images["us-east-1"]) == 1, "safe to run again"
    assert len(front.account.snapshots["us-east-1"]) == 1, "the pending snapshot was gone on with"


def test_an_interrupted_snapshot_is_gone_on_with(
    front: Front, imagebuild: Imagebuild, hd0: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What arrived is not sent again; a block that was changed under way would be."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with hd0.open("r+b") as file:  # more blocks than are in flight at once
        file.seek(4 * 2**20)
        file.write(bytes(range(256)) * (4 * 2**20 // 256 - 4096))
    front.faults.append(Fault("PutSnapshotBlock", "cut", times=1000, after=4))
    words = ("publish", hd0, *REGION, "--unverified", "--workers", "1")
    assert imagebuild(*words).code == 7
    front.faults.clear()
    (snapshot,) = front.account.snapshots["us-east-1"].values()
    assert len(snapshot.digests) == 4
    ended = imagebuild(*words)
    assert ended.code == 0, ended.err
    assert f"continuing the pending snapshot {snapshot.id}" in ended.err
    puts = [call for call in front.calls if call[1] == "PutSnapshotBlock"]
    assert len(puts) == len(snapshot.digests), "each block once"
    journals = hd0.parents[1] / "cache" / "publish"
    assert list(journals.iterdir()) == []


def test_sealed_by_an_earlier_run(front: Front, imagebuild: Imagebuild, hd0: Path, tmp_path: Path) -> None:
    """Ended between CompleteSnapshot and RegisterImage, and the journal is lost: nothing is written twice."""
    front.faults.append(Fault("RegisterImage", "denied", times=1))
    assert imagebuild("publish", hd0, *REGION).code == 7
    (snapshot,) = front.account.snapshots["us-east-1"].values()
    snapshot.state, snapshot.polls_left = "pending", 3
    ended = imagebuild("publish", hd0, *REGION)
    assert ended.code == 0, ended.err
    assert len(front.account.snapshots["us-east-1"]) == 1


def test_a_pending_snapshot_that_aws_gave_up_is_replaced(front: Front, imagebuild: Imagebuild, hd0: Path) -> None:
    front.faults.append(Fault("CompleteSnapshot", "denied", times=1))
    assert imagebuild("publish", hd0, *REGION).code == 7
    (snapshot,) = front.account.snapshots["us-east-1"].values()
    snapshot.state = "error"
    ended = imagebuild("publish", hd0, *REGION, "--json")
    assert ended.code == 0, ended.err
    (published,) = json.loads(ended.out)
    assert published["snapshot_id"] != snapshot.id


def test_a_name_that_is_taken(front: Front, imagebuild: Imagebuild, hd0: Path, hd00: Path) -> None:
    assert imagebuild("publish", hd0, *REGION, "--name", "nightly").code == 0
    before = len(front.changes())
    ended = imagebuild("publish", hd00, *REGION, "--name", "nightly")
    assert ended.code == 7
    assert "the name 'nightly' is taken in us-east-1 by ami-" in ended.err
    assert "image sha256:" in ended.err
    assert "--name" in ended.err
    assert front.changes()[before:] == [], "found out before anything was uploaded"
    ended = imagebuild("publish", hd0, *REGION, "--name", "nightly", "--pv-grub-version", "1.03")
    assert (ended.code, "kernel: aki-5c21674b there, aki-88aa75e1 here" in ended.err) == (7, True)


def test_without_credentials(front: Front, imagebuild: Imagebuild, hd0: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAWRONG")
    ended = imagebuild("publish", hd0, *REGION)
    assert (ended.code, "does not accept the credentials" in ended.err) == (7, True)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    ended = imagebuild("publish", hd0, *REGION)
    assert (ended.code, "no AWS credentials were found" in ended.err) == (7, True)


def test_nobody_listens(imagebuild: Imagebuild, front: Front, hd0: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    ended = imagebuild("publish", hd0, *REGION)
    assert (ended.code, "the connection failed" in ended.err) == (7, True)
