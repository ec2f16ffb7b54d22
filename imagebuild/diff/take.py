"""Takes a snapshot of an image, or of an output folder (whose packages.json is believed)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from imagebuild.diff.ext_tree import ExtTree
from imagebuild.diff.snapshot import FileFacts, Snapshot
from imagebuild.diff.tar_tree import tar_files
from imagebuild.errors import Problem, RecipeError, VerifyError
from imagebuild.events import Progress, stage
from imagebuild.formats.device_name import read_device_name
from imagebuild.formats.foreign import json_value
from imagebuild.formats.fstab import read_fstab, simple_path
from imagebuild.host.cache import Cache
from imagebuild.host.scratch import scratch_folder
from imagebuild.image.device_names import resolve
from imagebuild.image.opened import open_any
from imagebuild.image.places import Place
from imagebuild.image.readers import ReadError, program_for
from imagebuild.image.subject import Subject
from imagebuild.pages.model import PackageLine
from imagebuild.recipe.named_file import read_whole
from imagebuild.report import MOST_REPORT_BYTES
from imagebuild.rootfs.packages import DPKG_STATUS, Packages, installed_packages
from imagebuild.vocabulary import ROOT_TYPES

_MOST_STATUS_BYTES = 64 * 2**20


def take_snapshot(path: Path, progress: Progress) -> Snapshot:
    """An image of any format that is read, or an output folder of imagebuild's.

    Raises RecipeError when there is no such thing, VerifyError and BuildError when it cannot be read.
    """
    if not path.exists():
        raise _misuse(path, "there is no such file or directory; name an image or an output directory")
    image, packages = (path, None) if not path.is_dir() else _in_folder(path)
    if image is None:
        return Snapshot(str(path), packages=packages)
    with (
        scratch_folder() as scratch,
        stage(progress, f"reading {path}"),
        open_any(image, Cache(), scratch, progress) as subject,
    ):
        snapshot = _of_subject(str(path), subject, scratch, progress)
    return replace(snapshot, packages=packages) if packages is not None else snapshot


def _in_folder(folder: Path) -> tuple[Path | None, tuple[PackageLine, ...] | None]:
    image, packages = None, None
    try:
        named = folder / json_value(read_whole(folder / "report.json", MOST_REPORT_BYTES))["image"]["path"]
        image = named if named.is_file() else None
    except (OSError, ValueError, KeyError, TypeError):
        found = sorted(folder.glob("*.raw"))
        image = found[0] if len(found) == 1 else None
    try:
        known = Packages.model_validate_json(read_whole(folder / "packages.json", MOST_REPORT_BYTES))
        packages = tuple(PackageLine(one.name, one.version, one.architecture) for one in known.packages)
    except (OSError, ValueError):
        pass
    if image is None and packages is None:
        raise _misuse(folder, "this directory has neither an image with its report.json nor a packages.json")
    return image, packages


def _of_subject(name: str, subject: Subject, scratch: Path, progress: Progress) -> Snapshot:
    files = _files(subject, scratch, progress)
    menu = subject.menu
    kernels = (
        [f"{entry.title}: {entry.kernel or ''} {entry.initrd or ''}".strip() for entry in menu.entries] if menu else []
    )
    modules = [f"modules {Path(path).name}" for path in files
               if path.rpartition("/")[0] in ("/lib/modules", "/usr/lib/modules")]  # fmt: skip
    return Snapshot(
        name=name,
        layout=_layout(subject),
        menu=subject.menu_text,
        kernels=tuple(dict.fromkeys([*kernels, *modules])),
        packages=_packages(subject),
        files=files,
    )


def _layout(subject: Subject) -> dict[str, str]:
    facts = {
        "size": f"{subject.size_bytes} bytes",
        "partition table": subject.table.label if subject.table else "none",
        "menu": f"{subject.menu_at.place}{subject.menu_at.path}" if subject.menu_at else "none",
    }
    for place in subject.places:
        begin = f" at {place.runs[0].offset_bytes}" if place.runs else ""
        facts[place.name] = f"{place.type}, {place.size_bytes} bytes{begin}"
        if place.contents:
            for key, value in (("UUID", place.contents.uuid), ("label", place.contents.label),
                               ("features", " ".join(sorted(place.contents.features)))):  # fmt: skip
                if value:
                    facts[f"{place.name} {key}"] = value
    return facts


def _files(subject: Subject, scratch: Path, progress: Progress) -> dict[str, FileFacts]:
    places = [place for place in subject.places if place.type in ROOT_TYPES]
    if not places:
        raise VerifyError(f"{subject.image} has no readable filesystem")
    if any(program_for(place) != "debugfs" for place in places):
        return _by_appliance(subject, scratch, progress)
    trees = {place.name: ExtTree(subject.raw, place.runs[0].offset_bytes, scratch).files() for place in places}
    return _put_together(subject, places, trees)


def _by_appliance(subject: Subject, scratch: Path, progress: Progress) -> dict[str, FileFacts]:
    from imagebuild.host.acceleration import accelerator
    from imagebuild.plan.steps import TakeImage
    from imagebuild.rootfs.image import examine, take_tree

    archive = scratch / "tree.tar"
    step = TakeImage(path=str(subject.image), sha256=None, root=None)
    take_tree(step, examine(subject.raw.resolve()), archive, accelerator(Cache()), progress)
    return tar_files(archive)


def _put_together(
    subject: Subject, places: list[Place], trees: dict[str, dict[str, FileFacts]]
) -> dict[str, FileFacts]:
    """The tree as the system would see it: each filesystem at the place that the root's fstab gives it, and nothing
    of what lies hidden beneath; what fstab does not name is under its name. Empty lost+found, which only ext has, are
    left out."""
    root = next(
        (place for place in places if "/etc/fstab" in trees[place.name] or "/etc" in trees[place.name]), places[0]
    )
    mounts = _mounts(subject, root)
    prefixes = {
        place.name: next((path for device, path in mounts if _is_meant(subject, device, place)), f"/{place.name}")
        for place in places
        if place is not root
    }
    whole = _without_lost_found(trees[root.name])
    for name, prefix in sorted(prefixes.items(), key=lambda item: item[1].count("/")):
        whole = {path: facts for path, facts in whole.items() if not path.startswith(prefix + "/")}
        tree = _without_lost_found(trees[name])
        whole |= {prefix if path == "/" else prefix + path: facts for path, facts in tree.items()}
    return whole


def _is_meant(subject: Subject, device: str, place: Place) -> bool:
    return resolve(read_device_name(device), subject.places, partitioned=subject.table is not None) == place


def _without_lost_found(tree: dict[str, FileFacts]) -> dict[str, FileFacts]:
    inside = any(path.startswith("/lost+found/") for path in tree)
    return {path: facts for path, facts in tree.items() if inside or path != "/lost+found"}


def mounts_of_subject(subject: Subject) -> dict[str, str]:
    """Where the image's own /etc/fstab mounts each place, by the place's name; empty where there is none.

    It is looked for on every filesystem: the root is where it is found.
    """
    for place in subject.places:
        try:
            text = subject.read(place, "/etc/fstab", 2**20).decode("utf-8", "replace")
        except ReadError:
            continue
        return {
            found.name: mountpoint
            for found in subject.places
            for device, mountpoint in _mountpoints(text)
            if _is_meant(subject, device, found)
        }
    return {}


def _mounts(subject: Subject, root: Place) -> list[tuple[str, str]]:
    try:
        text = subject.read(root, "/etc/fstab", 2**20).decode("utf-8", "replace")
    except ReadError:
        return []
    return [(device, path) for device, path in _mountpoints(text) if path != "/"]


def _mountpoints(text: str) -> list[tuple[str, str]]:
    return [(line.source, simple_path(line.mountpoint)) for line in read_fstab(text) if "/" in line.mountpoint]


def _packages(subject: Subject) -> tuple[PackageLine, ...] | None:
    """From dpkg's status file, on whichever filesystem it lies; None where there is none."""
    for place in subject.places:
        for path in (f"/{DPKG_STATUS}", f"/{DPKG_STATUS.removeprefix('var/')}"):
            try:
                status = subject.read(place, path, _MOST_STATUS_BYTES).decode("utf-8", "replace")
            except ReadError:
                continue
            found = installed_packages(status)
            return tuple(PackageLine(one.name, one.version, one.architecture) for one in found)
    return None


def _misuse(path: Path, message: str) -> RecipeError:
    return RecipeError([Problem(str(path), 0, 0, "", message)])
