"""What a Debian archive offers today for a recipe: the packages that a bootstrap would install now, and from where.

apt itself answers, on lists of its own beside everything else that is cached: CACHE/archives/DIGEST. `apt-get update`
asks with conditional requests (a few kilobytes where nothing is new), and `apt-get --simulate install` on an empty dpkg
database resolves what mmdebstrap installs (argv.py). Nothing of this machine's own apt is read but its keys.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from imagebuild.errors import BuildError
from imagebuild.host import command
from imagebuild.host.cache import Cache
from imagebuild.host.cache_kinds import Kind
from imagebuild.plan.steps import BootstrapDebian
from imagebuild.rootfs.debian.argv import APT_TIMEOUT_SECONDS, ARCHITECTURES, beside_essential, essential
from imagebuild.rootfs.debian.bootstrap import explain

KIND: Kind = "archives"
# Keys that this machine's apt trusts for every source; and Debian's own, which mmdebstrap finds by itself, too.
_KEYS: tuple[str, ...] = (
    "/etc/apt/trusted.gpg.d/*.gpg",
    "/etc/apt/trusted.gpg.d/*.asc",
    "/usr/share/keyrings/debian-archive-*.gpg",
)
# apt-get(8), --simulate: "Inst libc6 [2.35] (2.36-9 Debian:12.15/oldstable, Debian-Security:12/x [amd64]) []"
_INSTALLED = re.compile(r"^Inst (?P<name>\S+) (?:\[\S+\] )?\((?P<version>\S+) (?P<releases>.*) \[(?P<arch>\S+)\]\)")
_FIELD = re.compile(r"^(?P<name>Label|Suite|Codename|Version|Date): *(?P<value>.+)$", re.MULTILINE)
_NOT_READ = ("SourceParts", "Main", "Parts", "Preferences", "PreferencesParts", "Trusted")
_RELEASE_BYTES = 2**16  # the fields stand in the first lines of (In)Release


@dataclass(frozen=True, slots=True)
class Offered:
    """One package as the archive has it now. `releases`: the code names of the releases that hold this version."""

    name: str
    version: str
    architecture: str
    releases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Offer:
    """`as_of`: when the newest of the suites was published (ISO 8601, UTC; empty: its Release does not say)."""

    as_of: str
    packages: tuple[Offered, ...]

    @property
    def digest(self) -> str:
        """sha256 (hex) over names, versions and architectures."""
        lines = sorted(f"{one.name}:{one.architecture}={one.version}\n" for one in self.packages)
        return hashlib.sha256("".join(lines).encode()).hexdigest()


_OFFER = TypeAdapter(Offer)
_MOST_ANSWERS = 200  # of some ten kilobytes each; all but today's are of no use


@dataclass
class Archives:
    """Every archive is asked once, however many recipes want to know; one that did not answer is not asked again."""

    cache: Cache
    _asked: dict[str, BuildError | None] = field(default_factory=dict)

    def offer(self, step: BootstrapDebian, apt_sources: tuple[str, ...]) -> Offer:
        """What a bootstrap would install now. Raises BuildError (no answer, a bad signature, no such package) and
        HostError (this machine has no apt)."""
        command.require("apt-get", "apt")
        digest = hashlib.sha256(json.dumps([apt_sources, step.architecture]).encode()).hexdigest()
        state, _cached = self.cache.get(KIND, digest, _lay_out)
        with self.cache.lock("archive-lists", digest):  # apt-get update of two processes would meet in one directory
            config = _configure(state, step, apt_sources)
            if digest not in self._asked:
                self._asked[digest] = _update(step, config)
            if (error := self._asked[digest]) is not None:
                raise error
            return _remembered(state, step, config)


def _lay_out(state: Path) -> None:
    for name in ("lists/partial", "cache", "keys"):
        (state / name).mkdir(parents=True)


def _configure(state: Path, step: BootstrapDebian, apt_sources: tuple[str, ...]) -> Path:
    """Write apt's configuration (apt.conf(5)); what this machine's administrator configured for it does not count."""
    for path in (state / "keys").iterdir():
        path.unlink()
    for pattern in _KEYS:
        for key in Path("/").glob(pattern.lstrip("/")):
            (state / "keys" / key.name).symlink_to(key)
    (state / "sources.list").write_text("".join(f"{line}\n" for line in apt_sources), encoding="utf-8")
    (state / "status").touch()
    architecture = ARCHITECTURES[step.architecture]
    lines = (
        f'Dir::State "{state}"', f'Dir::State::Lists "{state}/lists"', f'Dir::State::status "{state}/status"',
        f'Dir::Cache "{state}/cache"', f'Dir::Etc::SourceList "{state}/sources.list"',
        *(f'Dir::Etc::{name} "/dev/null"' for name in _NOT_READ),
        f'Dir::Etc::TrustedParts "{state}/keys"', 'Dir::Log "/dev/null"',
        f'APT::Architecture "{architecture}"', f'APT::Architectures {{ "{architecture}"; }}',
        # as mmdebstrap has them
        'APT::Install-Recommends "false"', 'Acquire::Languages "none"',
        'APT::Sandbox::User "root"', 'Acquire::GzipIndexes "true"', 'Acquire::Retries "0"',
        *(f'Acquire::{way}::Timeout "{APT_TIMEOUT_SECONDS}"' for way in ("http", "https")),
    )  # fmt: skip
    config = state / "apt.conf"
    config.write_text("".join(f"{line};\n" for line in lines), encoding="utf-8")
    return config


def _update(step: BootstrapDebian, config: Path) -> BuildError | None:
    argv = ["apt-get", "update", "-q", "--error-on=any"]
    finished = command.attempt(argv, environment={"APT_CONFIG": str(config)})
    if finished.exit_code == 0:
        return None
    return explain(f"asking the archive of {step.suite} failed", step, finished)


def _remembered(state: Path, step: BootstrapDebian, config: Path) -> Offer:
    """The answer; from the file `answers/DIGEST` where the same was asked of the same Release files before."""
    argv = ["apt-get", "--simulate", "-qq", "install", *essential(step), *beside_essential(step)]
    total = hashlib.sha256(json.dumps(argv).encode())
    for path in sorted((state / "lists").glob("*Release")):
        total.update(path.read_bytes())
    answer = state / "answers" / total.hexdigest()
    with contextlib.suppress(OSError, ValidationError):
        return _OFFER.validate_json(answer.read_bytes())
    releases = dict(_releases(state))
    offer = Offer(max((date for _, date in releases.values()), default=""), _resolve(step, argv, config, releases))
    if _are_many(answer.parent):
        shutil.rmtree(answer.parent)
    answer.parent.mkdir(exist_ok=True)
    answer.write_bytes(_OFFER.dump_json(offer))
    return offer


def _are_many(directory: Path) -> bool:
    return directory.is_dir() and sum(1 for _ in directory.iterdir()) >= _MOST_ANSWERS


def _resolve(
    step: BootstrapDebian, argv: list[str], config: Path, releases: dict[str, tuple[str, str]]
) -> tuple[Offered, ...]:
    finished = command.attempt(argv, environment={"APT_CONFIG": str(config)})
    if finished.exit_code != 0:
        raise explain(f"apt finds no way to install the packages from {step.suite}", step, finished)
    return tuple(
        Offered(
            name=found["name"].partition(":")[0], version=found["version"], architecture=found["arch"],
            releases=tuple(releases.get(one, (one, ""))[0] for one in found["releases"].split(", ")),
        )
        for line in finished.output.splitlines() if (found := _INSTALLED.match(line))
    )  # fmt: skip


def _releases(state: Path) -> Iterator[tuple[str, tuple[str, str]]]:
    """Each suite's name as apt writes it (LABEL:VERSION/SUITE), its code name, and when it was published."""
    for path in sorted((state / "lists").glob("*Release")):
        with path.open("rb") as file:
            found = dict(_FIELD.findall(file.read(_RELEASE_BYTES).decode("utf-8", "replace")))
        suite = "/".join(filter(None, (found.get("Version"), found.get("Suite"))))
        try:
            date = parsedate_to_datetime(found["Date"]).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        except (KeyError, ValueError):
            date = ""
        yield f"{found.get('Label', '')}:{suite}".lstrip(":"), (found.get("Codename") or found.get("Suite", ""), date)
