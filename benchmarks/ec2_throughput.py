"""How fast bundles and snapshots are made, as ratios to what an administrator would do by hand on the same machine.

    python benchmarks/ec2_throughput.py [--size-mib 512] [--image FILE] [--json]

- bundle:   against `tar -S | gzip | openssl enc` (the same work without digests and parts, on as many cores as the
            pipe gives it: gzip is one process) and against the same with pigz, if that is installed.
- unbundle: against `cat parts | openssl enc -d | gunzip | tar -x`.
- snapshot: the upload over HTTP to a server on the loopback that checks nothing and keeps nothing, against a plain
            copy of the image (`cp --sparse=always`): an upper bound that no network reaches.

Ratios above 1 mean that imagebuild is faster (wall clock), or costs less (processor time: that one also holds on a
machine that is busy with other things). The image is half a hole; its data is half text, half noise.
No network but the loopback is used; everything goes into a temporary folder.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from imagebuild.events import Quiet
from imagebuild.publish.ec2.bundle import BundleRequest, write_bundle
from imagebuild.publish.ec2.gate import take_sha256
from imagebuild.publish.ec2.keys import load_keys, load_private_key
from imagebuild.publish.ec2.manifest import Machine
from imagebuild.publish.ec2.requests import Registration
from imagebuild.publish.ec2.snapshot import ensure_snapshot
from imagebuild.publish.ec2.unbundle import read_bundle

MIB = 2**20
KEY, IV = "00" * 16, "11" * 16


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size-mib", type=int, default=512)
    parser.add_argument("--image", type=Path, help="measure with this raw image instead")
    parser.add_argument("--rounds", type=int, default=3, help="the best of so many counts")
    parser.add_argument("--json", action="store_true")
    words = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="imagebuild-bench-") as name:
        folder = Path(name)
        image = words.image.resolve() if words.image else make_image(folder / "image.raw", words.size_mib)
        results = {**measure_bundle(image, folder, words.rounds), **measure_snapshot(image, folder, words.rounds)}
    results["image_bytes"] = words.size_mib * MIB if words.image is None else words.image.stat().st_size
    results["cores"] = len(os.sched_getaffinity(0))
    results["peak_memory_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    if words.json:
        print(json.dumps(results, indent=2))
        return
    for key, value in results.items():
        print(f"{key:45} {value:.2f}" if isinstance(value, float) else f"{key:45} {value}")


def make_image(path: Path, size_mib: int) -> Path:
    """A quarter of the size is text, a quarter noise, in stretches of 4 MiB; the rest are holes."""
    chance = random.Random(5)
    text = (
        " ".join(chance.choice(("disk", "image", "kernel", "menu", "root", "grub")) for _ in range(200_000))
    ).encode()
    with path.open("wb") as file:
        file.truncate(size_mib * MIB)
        for start in range(0, size_mib, 16):
            file.seek(start * MIB)
            shift = chance.randrange(1000)
            file.write((text[shift:] * 5)[: 4 * MIB])
            file.write(chance.randbytes(4 * MIB))
    return path


@dataclass(frozen=True)
class Cost:
    """Seconds on the clock, and seconds of processor time (our own and our children's)."""

    wall: float
    processor: float


def best(rounds: int, work: Callable[[], object]) -> Cost:
    """The least of several runs."""
    costs = []
    for _ in range(rounds):
        begin, used = time.perf_counter(), _processor_seconds()
        work()
        costs.append(Cost(time.perf_counter() - begin, _processor_seconds() - used))
    return Cost(min(cost.wall for cost in costs), min(cost.processor for cost in costs))


def _processor_seconds() -> float:
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def compared(what: str, to: str, ours: Cost, theirs: Cost) -> dict[str, float]:
    return {
        f"{what}: ratio to {to}": theirs.wall / ours.wall,
        f"{what}: ratio to {to}, processor time": theirs.processor / ours.processor,
    }


def shell(script: str, folder: Path) -> None:
    subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=folder, check=True)


def measure_bundle(image: Path, folder: Path, rounds: int) -> dict[str, Any]:
    shell(
        "openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 1 -subj /CN=bench 2>/dev/null",
        folder,
    )
    keys = load_keys(
        private_key=folder / "key.pem", certificate=folder / "cert.pem", ec2_certificate=folder / "cert.pem"
    )
    target = folder / "bundle"

    def bundle() -> None:
        shutil.rmtree(target, ignore_errors=True)
        write_bundle(BundleRequest(image, target, "bench", "123456789012", Machine("x86_64")), keys)

    def by_hand(gzip: str) -> Callable[[], None]:
        tar = f"tar --format=gnu -S -C {image.parent} -c {image.name}"
        return lambda: shell(f"{tar} | {gzip} | openssl enc -e -aes-128-cbc -K {KEY} -iv {IV} > by-hand", folder)

    ours = best(rounds, bundle)
    theirs = best(rounds, by_hand("gzip"))
    results: dict[str, Any] = {"bundle: seconds": ours.wall}
    results |= compared("bundle", "tar | gzip | openssl", ours, theirs)
    if shutil.which("pigz"):
        results |= compared("bundle", "tar | pigz | openssl", ours, best(rounds, by_hand("pigz")))
    private = load_private_key(folder / "key.pem")

    def unbundle() -> None:
        (folder / "back").unlink(missing_ok=True)
        read_bundle(target / "bench.manifest.xml", private, folder / "back")

    back = best(rounds, unbundle)
    decrypt = f"openssl enc -d -aes-128-cbc -K {KEY} -iv {IV} -in by-hand"
    theirs = best(rounds, lambda: shell(f"mkdir -p out && {decrypt} | gunzip | tar -x -C out", folder))
    results["unbundle: seconds"] = back.wall
    return results | compared("unbundle", "openssl | gunzip | tar", back, theirs)


class Sink(BaseHTTPRequestHandler):
    """Takes every request of the EBS direct API and of EC2 that a snapshot needs, and keeps nothing."""

    protocol_version = "HTTP/1.1"
    wbufsize = 65536  # one packet for headers and body: two would wait for each other (Nagle, delayed ACK)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the parent's name)
        pass

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if b"DescribeSnapshots" in body:
            known = (
                b"<item><snapshotId>snap-1</snapshotId><status>completed</status></item>"
                if b"SnapshotId.1" in body
                else b""
            )
            text = b"<R><snapshotSet>" + known + b"</snapshotSet></R>"
        else:
            text = b'{"SnapshotId": "snap-1", "Status": "completed"}'
        self.send_response(200 if b"<R>" in text else 201)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_PUT = do_POST = _answer  # noqa: N815 (http.server's names)


def measure_snapshot(image: Path, folder: Path, rounds: int) -> dict[str, Any]:
    from imagebuild.publish.ec2.aws import connect

    server = ThreadingHTTPServer(("127.0.0.1", 0), Sink)
    process = multiprocessing.get_context("fork").Process(target=server.serve_forever, daemon=True)
    process.start()  # a process of its own: it must not share Python's lock with what is measured
    os.environ |= {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_address[1]}",
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
    }
    clients = connect("us-east-1", workers=8)
    raw = take_sha256(image)
    wanted = Registration("bench", raw.sha256, "ebs", "x86_64", "paravirtual", "none", "aki-5c21674b", 1)

    def upload() -> None:
        ensure_snapshot(
            clients, raw, wanted,
            journals=folder / "journals", progress=Quiet(), meter=lambda done, total: None, workers=8,
        )  # fmt: skip

    ours = best(rounds, upload)
    copy = best(rounds, lambda: shell(f"cp --sparse=always {image} copy.raw && sync copy.raw && rm copy.raw", folder))
    sha256 = best(rounds, lambda: take_sha256(image))
    process.terminate()
    process.join()
    server.server_close()
    summed = best(rounds, lambda: shell(f"sha256sum {image} > /dev/null", folder))
    return {
        "snapshot: seconds": ours.wall,
        "snapshot: MiB of data per second": image.stat().st_blocks * 512 / MIB / ours.wall,
        **compared("snapshot", "a plain copy", ours, copy),
        **compared("sha256", "sha256sum", sha256, summed),
    }


if __name__ == "__main__":
    main()
