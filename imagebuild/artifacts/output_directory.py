"""DIR/NAME/: what a run leaves for people and pipelines. One run's result at a time, never a mixture of two.

    NAME.raw                  the image: verified, or built with --no-verify
    NAME.raw.rejected         … verified, and bad
    NAME.raw.unverified       … that could not be verified
    NAME.qcow2 …              its other shapes, where the recipe's `outputs` ask for them
    SHA256SUMS, SHA256SUMS.sig  of all files but the reports and logs, for `sha256sum -c`; signed with --sign-key
    plan.json, packages.json  what was built, and out of what
    recipe.yaml, recipe.lock  the recipe without its secrets, and its packages, for `imagebuild reproduce`
    sbom.spdx.json, sbom.cdx.json, provenance.json  the same for other tools
    report.json, junit.xml    what was found
    report.html               the same for people, with the consoles and what is new since the build before
    *.log                     build.log (always that of the last run) and one console log for each boot

All of that but build.log changes together, at the moment when a new result is known: until then, and when a run fails
or is killed, the older result stays whole. What is being made is named *.partial; the folder's lock tells a run that
lives from the leavings of a dead one.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Container, Iterable, Iterator, Mapping
from pathlib import Path

from imagebuild.errors import BuildError, HostError
from imagebuild.formats.text import json_text
from imagebuild.host.digest import image_sha256
from imagebuild.report import ImageFacts, Report

REPORT = "report.json"
PAGE = "report.html"
JUNIT = "junit.xml"
SUMS = "SHA256SUMS"
SIGNATURE = "SHA256SUMS.sig"
SPDX = "sbom.spdx.json"
CYCLONEDX = "sbom.cdx.json"
PROVENANCE = "provenance.json"
PLAN = "plan.json"
PACKAGES = "packages.json"
RECIPE = "recipe.yaml"
LOCK = "recipe.lock"
_LOCK = ".lock"
_PRIVATE_MODE = 0o600
_PARTIAL = ".partial"
_SHAPES = ("raw.zst", "qcow2", "vmdk", "vhd")
_IMAGE_SUFFIXES = (
    ".raw", ".raw.rejected", ".raw.unverified",
    *(f".{shape}{end}" for shape in _SHAPES for end in ("", ".unverified")),
)  # fmt: skip


# Without its report, nothing that lies in the directory claims anything.
_CLAIMS = (REPORT, PAGE)
_ABOUT_THE_IMAGE = (SUMS, SIGNATURE, SPDX, CYCLONEDX, PROVENANCE, RECIPE, LOCK)
_NONE: Mapping[str, str] = {}


class OutputFolder:
    """The folder of one image (or of one image's verification), held by this process."""

    def __init__(self, path: Path, name: str) -> None:
        self.path = path
        self.name = name

    @property
    def partial_image(self) -> Path:
        """Where the image is built."""
        return self.path / f"{self.name}.raw{_PARTIAL}"

    def partial(self, name: str) -> Path:
        """Where a file that is to be called `name` is made."""
        return self.path / f"{name}{_PARTIAL}"

    def make_private(self, path: Path) -> None:
        """The file at `path`, empty, for nobody but its owner: whoever writes into it leaves that as it is."""
        path.unlink(missing_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, _PRIVATE_MODE))

    def make_consoles(self) -> Path:
        """Where the machines of this run write their console logs; they move up when the result is known."""
        self.consoles.mkdir(exist_ok=True)
        return self.consoles

    @property
    def consoles(self) -> Path:
        """Where they lie until then; the folder is there only when it has been made."""
        return self.path / f"consoles{_PARTIAL}"

    def log_path(self, verb: str) -> Path:
        return self.path / f"{verb}.log"

    def clear_partials(self) -> None:
        """Remove what is half made: ours at the end, a dead run's at the beginning."""
        for path in self.path.glob(f"*{_PARTIAL}"):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)

    def sync_image(self) -> None:
        """Wait until the partial image is on the storage. Nothing that builds it does (host/no_sync.py)."""
        handle = os.open(self.partial_image, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def replace(
        self,
        texts: Mapping[str, str],
        *,
        image: str | None = None,
        others: Iterable[str] = (),
        private: Container[str] = (),
    ) -> None:
        """Put this run's files in the place of the older run's.

        `texts`: contents by file name. `image`: the name that the partial image gets; None: there is none. `others`:
        names of more files that have been made (`partial`). `private`: those of `texts` that others are not to read.
        Everything is on the disk before the first older file goes, so that a full disk changes nothing. Killed at any
        step, a whole image stays: what claims something goes first, then the image changes by one rename(2), then the
        rest; the report comes last.
        """
        for name, text in texts.items():
            if name in private:
                self.make_private(self.partial(name))
            self.partial(name).write_text(text, encoding="utf-8")
        consoles = _consoles_of(self.path / REPORT)
        self._remove(_CLAIMS if image is None else (*_CLAIMS, *_ABOUT_THE_IMAGE))
        if image is not None:
            self.partial_image.rename(self.path / image)
            self._remove(name for suffix in _IMAGE_SUFFIXES if (name := self.name + suffix) != image)
        self._remove(consoles)
        for other in others:
            self.partial(other).rename(self.path / other)
        for console in sorted(self.consoles.glob("*")):
            console.rename(self.path / console.name)
        for name in sorted(texts, key=lambda name: name == REPORT):
            self.partial(name).rename(self.path / name)

    def _remove(self, names: Iterable[str]) -> None:
        for name in names:
            (self.path / name).unlink(missing_ok=True)


@contextlib.contextmanager
def open_folder(path: Path, name: str) -> Iterator[OutputFolder]:
    """Make the folder, hold its lock, and leave nothing half made in it at the end, whatever ends the block.

    Raises BuildError when another run holds it, HostError when it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        handle = os.open(path / _LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o666)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise HostError(
            f"the output directory {path} cannot be used: {error.strerror}",
            resolution="choose a directory that you can write to, with -o",
        ) from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BuildError(
                f"another run of imagebuild is writing into {path}",
                resolution="wait until it has ended, or choose another directory with -o",
            ) from None
        folder = OutputFolder(path, name)
        folder.clear_partials()
        try:
            yield folder
        finally:
            folder.clear_partials()
    finally:
        os.close(handle)


def describe_image(path: Path) -> ImageFacts:
    """The facts of an image that no verification has described: its sha256 takes a second or two for each GiB."""
    status = path.stat()
    return ImageFacts(
        path=str(path), sha256=image_sha256(path), size_bytes=status.st_size, real_bytes=status.st_blocks * 512
    )  # st_blocks counts 512 bytes everywhere on Linux (stat(2))


def sums(image: str, digest: str, texts: Mapping[str, str], others: Mapping[str, str] = _NONE) -> str:
    """The text of SHA256SUMS: "digest, two spaces, name" (sha256sum(1)). `others`: more files' digests by name."""
    digests = {image: digest, **others}
    digests |= {name: hashlib.sha256(text.encode()).hexdigest() for name, text in texts.items()}
    return "".join(f"{digest}  {name}\n" for name, digest in sorted(digests.items()))


def report_text(report: Report) -> str:
    return json_text(report.model_dump_json(indent=2)) + "\n"


def _consoles_of(report: Path) -> list[str]:
    """The console logs that an older report names: plain file names only, whatever the file says."""
    try:
        boots = json.loads(report.read_bytes())["boots"]
        names = [str(boot["console"]) for boot in boots]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return [name for name in names if name.endswith(".log") and Path(name).name == name]
