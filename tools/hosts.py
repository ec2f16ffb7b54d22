#!/usr/bin/env python3
"""Both of the README's commands on bare Debian trees (`make hosts`; root; some hours): what passes, and which bytes.

Each release is bootstrapped once with nothing but what the README asks for (git, make, the package registries), into a
folder beside the cache. In it a fresh clone of what is committed here runs `make image` as root and as an ordinary
user, builds the same locked recipe, and runs `make test` as root. Logs: out/hosts/. Table: docs/hosts.md.
"""

from __future__ import annotations

import argparse
import datetime
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
RELEASES = {"bookworm": "12", "trixie": "13"}
USER = "builder"
PACKAGES = ("git", "make", "ca-certificates", "sudo", "procps")
RECIPE = "recipes/debian-12-hd0.yaml"
_ENTER = ROOT / "tools/debian-root.sh"
_PASSED_ON = re.compile(r"PIP_\w+|\w+_proxy|SSL_CERT_FILE", re.IGNORECASE)
_COUNTS = re.compile(r"=+ (.*\d+ passed.*) in [\d.]+s.*=+$", re.MULTILINE)
_SHA256 = re.compile(r"^(?P<digest>[0-9a-f]{64})  (?P<name>\S+)$", re.MULTILINE)
_MARKS = ("<!-- made by tools/hosts.py -->", "<!-- end -->")


@dataclass(frozen=True, slots=True)
class Step:
    """One command in the tree. `checkout`: the folder of the clone that it runs in."""

    name: str
    user: str
    checkout: str
    command: str


IMAGE = "sha256sum out/*/*.raw ~/.cache/imagebuild/testhost/*/.sums.json"
LOCKED = (
    f"make setup-build && cp /root/hosts.lock recipes/debian-12-hd0.lock && "
    f".venv/bin/imagebuild build --locked --no-verify --force -o locked {RECIPE} && sha256sum locked/*/*.raw*"
)
STEPS = (
    Step("make image", "root", "/root/checkout", f"make image && {IMAGE}"),
    Step("make image", USER, f"/home/{USER}/checkout", f"make image && {IMAGE}"),
    Step("locked recipe", "root", "/root/checkout", LOCKED),
    Step("make test", "root", "/root/checkout", "make test"),
)


@dataclass(frozen=True, slots=True)
class Row:
    """What a step did. `seen`: pytest's counts, or digests."""

    release: str
    step: Step
    exit_code: int
    seconds: float
    seen: str

    def line(self) -> str:
        minutes, seconds = divmod(round(self.seconds), 60)
        result = "passed" if self.exit_code == 0 else f"**exit code {self.exit_code}**"
        cells = [f"Debian {RELEASES[self.release]}", self.step.name, self.step.user, result]
        return "| " + " | ".join([*cells, f"{minutes} min {seconds:02} s", self.seen]) + " |"


def main() -> int:
    options = _options()
    options.trees.mkdir(parents=True, exist_ok=True)
    logs = ROOT / "out/hosts"
    logs.mkdir(parents=True, exist_ok=True)
    rows: list[Row] = []
    for release in options.releases:
        tree = prepare(release, options.trees)
        for step in STEPS:
            if options.only is None or step.name.endswith(options.only):
                rows.append(run(release, tree, step, logs / f"{release}-{step.name.replace(' ', '-')}-{step.user}.log"))
                print(rows[-1].line(), flush=True)
    if options.record:
        record(rows, ROOT / "docs/hosts.md")
    return 0 if all(row.exit_code == 0 for row in rows) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("releases", nargs="*", default=list(RELEASES), help="names of suites (both)")
    parser.add_argument("--only", choices=("image", "recipe", "test"), help="one of the commands alone")
    parser.add_argument("--record", action="store_true", help="write the table in docs/hosts.md anew")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    parser.add_argument("--trees", type=Path, default=cache / "imagebuild-hosts", help="where the trees are kept")
    return parser.parse_args()


def prepare(release: str, trees: Path) -> Path:
    """The release's bare tree, with an ordinary user who may become root, and fresh clones for both."""
    tree = trees / release
    if not (tree / "etc/debian_version").exists():
        words = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(PACKAGES)}", release, str(tree)]
        subprocess.run(words, check=True)
    enter(tree, f"id {USER} 2>/dev/null >&2 || useradd --create-home --shell /bin/bash {USER}")
    (tree / "etc/sudoers.d/builder").write_text(f"{USER} ALL=(ALL) NOPASSWD: ALL\n")
    for home, owner in (("root", "root"), (f"home/{USER}", USER)):
        enter(tree, f"rm -rf /{home}/checkout")
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(tree / home / "checkout")], check=True)
        enter(tree, f"chown -R {owner}: /{home}/checkout")
    return tree


def enter(tree: Path, command: str) -> None:
    subprocess.run([str(_ENTER), str(tree), "sh", "-c", command], check=True)


def run(release: str, tree: Path, step: Step, log: Path) -> Row:
    lock = ROOT / "out/hosts/debian-12-hd0.lock"  # made by the first release, taken by both
    if lock.exists():
        (tree / "root/hosts.lock").write_bytes(lock.read_bytes())
    elif step.name == "locked recipe":
        enter(tree, f"cd {step.checkout} && .venv/bin/imagebuild lock {RECIPE} && mv recipes/*.lock /root/hosts.lock")
        lock.write_bytes((tree / "root/hosts.lock").read_bytes())
    passed_on = [f"{name}={value}" for name, value in os.environ.items() if _PASSED_ON.fullmatch(name)]
    home = "/root" if step.user == "root" else f"/home/{step.user}"
    environment = [
        f"HOME={home}",
        f"USER={step.user}",
        "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG=C.UTF-8",
        *passed_on,
    ]
    become = ["setpriv", f"--reuid={step.user}", f"--regid={step.user}", "--init-groups"]
    words = [str(_ENTER), str(tree), *become, "env", "-i", *environment]
    words += ["sh", "-c", f"cd {step.checkout} && {step.command}"]
    begin = time.monotonic()
    with log.open("wb") as file:
        ended = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT)
    return Row(release, step, ended.returncode, time.monotonic() - begin, seen(log.read_text(errors="replace")))


def seen(log: str) -> str:
    """pytest's last line, and the digests of what was made; the last line of the log where there is neither."""
    found = [match[1] for match in _COUNTS.finditer(log)]
    for match in _SHA256.finditer(log):
        name = "test host" if match["name"].endswith(".sums.json") else Path(match["name"]).name
        found.append(f"{name} `{match['digest'][:16]}…`")
    return ", ".join(found) or log.strip().rpartition("\n")[2][:120]


def record(rows: list[Row], page: Path) -> None:
    """Replace the table on the page."""
    text = page.read_text(encoding="utf-8")
    head, _, rest = text.partition(_MARKS[0])
    tail = rest.partition(_MARKS[1])[2]
    commit = subprocess.check_output(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, text=True).strip()
    today = datetime.datetime.now(tz=datetime.UTC).date()
    table = [
        "| Release | Command | As | Result | Time | Seen |",
        "|---|---|---|---|---|---|",
        *(row.line() for row in rows),
    ]
    made = "\n".join([f"{today}, commit {commit}, {os.cpu_count()} processors:", "", *table])
    page.write_text(f"{head}{_MARKS[0]}\n{made}\n{_MARKS[1]}{tail}", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
