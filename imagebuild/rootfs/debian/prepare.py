"""In the namespace, before a bootstrap: what earlier ones left is unpacked into the new tree where it is still right.

A program of its own, for mmdebstrap's setup hook: `python -I prepare.py JOB ROOT`. It gets apt's index of today
(mmdebstrap then does not), asks apt which files it would download, and takes those that are cached, each only where its
sha256 is the one that apt's signed index gives. A layer is taken when it was made of just the packages that apt would
take now; otherwise the file `stale` is left beside the job, and the program ends with 1.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

_URI = re.compile(r"^'[^']*' (?P<name>\S+\.deb) \d+ SHA256:(?P<sha256>[0-9a-f]{64})$", re.MULTILINE)
_DAY_SECONDS = 86400
_CHUNK_BYTES = 2**20
STALE, USED, SEEDED, PACKAGES = "stale", "used", "seeded", "layer/packages"


def main(argv: list[str]) -> int:
    """0: go on; 1: the layer is stale; anything else: apt's own exit code."""
    job_file, root = Path(argv[0]), Path(argv[1])
    job = json.loads(job_file.read_text(encoding="utf-8"))
    notes = job_file.parent
    environment = {**os.environ, "APT_CONFIG": os.environ["MMDEBSTRAP_APT_CONFIG"], "TMPDIR": f"{root}/tmp"}
    updated = subprocess.run(["apt-get", "update", "--error-on=any"], cwd=root, env=environment, check=False)
    if updated.returncode != 0:
        return updated.returncode
    layer = None
    if job["layers"]:
        layer = find_layer(job["layers"], wanted_files(job["essential"], environment))
        if layer is None:
            (notes / STALE).touch()
            return 1
    elif job["saves"]:
        save_names(wanted_files(job["essential"], environment), notes / PACKAGES)
    wanted = wanted_files([*job["essential"], *job["added"]], environment)
    if layer is not None:
        wanted = {name: sha256 for name, sha256 in wanted.items() if name not in files_of(layer)}
    used = seed(wanted, map(Path, job["packages"]), root / "var/cache/apt/archives", notes / SEEDED)
    if layer is not None:
        unpack_layer(layer, root, job["moment"])
        used.append(layer)
    (notes / USED).write_text("\n".join(map(str, used)), encoding="utf-8")
    return 0


def wanted_files(packages: list[str], environment: dict[str, str]) -> dict[str, str]:
    """The files that apt would download into an empty tree, and their sha256; empty when it cannot tell."""
    argv = ["apt-get", "-qq", "--yes", "--print-uris", "-o", "Acquire::ForceHash=SHA256", "install", *packages]
    told = subprocess.run(argv, env=environment, check=False, capture_output=True, text=True)
    return {match["name"]: match["sha256"] for match in _URI.finditer(told.stdout)} if told.returncode == 0 else {}


def save_names(files: dict[str, str], path: Path) -> None:
    """Write the files' names as sha256sum(1) does. (With cached files in apt's directory it holds others, too.)"""
    path.write_text("".join(f"{sha256}  {name}\n" for name, sha256 in sorted(files.items())), encoding="utf-8")


def files_of(layer: Path) -> dict[str, str]:
    """The packages' files that a layer was made of, as sha256sum(1) wrote them down, and their sha256."""
    lines = (layer / "packages").read_text(encoding="utf-8").splitlines()
    return {name: sha256 for sha256, name in (line.split(maxsplit=1) for line in lines)}


def find_layer(directories: Iterable[str], wanted: dict[str, str]) -> Path | None:
    """The layer of just these files."""
    for directory in map(Path, directories):
        try:
            if wanted and files_of(directory) == wanted:
                return directory
        except (OSError, ValueError):
            continue  # removed by another process meanwhile
    return None


def seed(wanted: dict[str, str], directories: Iterable[Path], archives: Path, marks: Path) -> list[Path]:
    """Copy the cached files that are wanted, each of the right sha256, and return the directories they came from."""
    marks.mkdir()
    archives.mkdir(parents=True, exist_ok=True)
    used = []
    for directory in directories:
        names = [name for name in _names(directory) if name in wanted and not (marks / name).exists()]
        taken = [name for name in names if _copy(directory / name, archives / name, wanted[name])]
        for name in taken:
            (marks / name).touch()
        if taken:
            used.append(directory)
    return used


def _names(directory: Path) -> list[str]:
    try:
        return sorted(path.name for path in directory.iterdir())
    except OSError:
        return []


def _copy(source: Path, target: Path, sha256: str) -> bool:
    digest = hashlib.sha256()
    try:
        with source.open("rb") as cached, target.open("wb") as copy:
            while chunk := cached.read(_CHUNK_BYTES):
                digest.update(chunk)
                copy.write(chunk)
    except OSError:
        digest = hashlib.sha256()
    if digest.hexdigest() != sha256:
        target.unlink(missing_ok=True)
        return False
    return True


def unpack_layer(layer: Path, root: Path, moment: int) -> None:
    """Unpack a layer, as a bootstrap that begins now and shows `moment` would have made it."""
    about = json.loads((layer / "about.json").read_text(encoding="utf-8"))
    argv = ["tar", "-C", str(root), "--numeric-owner", "--xattrs", "--xattrs-include=*", "-xpf"]
    subprocess.run([*argv, str(layer / "tree.tar")], check=True)
    # what was written while it was made is as old as what is written now: the tree's own moment in the end
    new = ["find", str(root), "-xdev", "-newermt", f"@{about['began'] - 1}", "-print0"]
    touch = ["xargs", "-0r", "touch", "--no-dereference", "-d", "now"]
    found = subprocess.run(new, check=True, capture_output=True)
    subprocess.run(touch, input=found.stdout, check=True)
    for name in ("etc/shadow", "etc/shadow-"):
        if (root / name).is_file():
            _move_days(root / name, about["moment"] // _DAY_SECONDS, moment // _DAY_SECONDS)


def _move_days(shadow: Path, before: int, after: int) -> None:
    """shadow(5) counts the days until a password's last change: passwd took them from SOURCE_DATE_EPOCH."""
    lines = []
    for line in shadow.read_text(encoding="utf-8").splitlines(keepends=True):
        fields = line.split(":")
        if len(fields) > 2 and fields[2] == str(before):
            fields[2] = str(after)
        lines.append(":".join(fields))
    shadow.write_text("".join(lines), encoding="utf-8")  # in place: owner and mode stay


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
