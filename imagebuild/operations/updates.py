"""Newer packages for a recipe's tree: the archive is asked, and only other versions make the tree another one.

What is compared is the list of packages that was written when the image was made (packages.json), so an image that
some other machine built is judged by what is in it. Locked recipes are not asked about: their lock says what they hold.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from imagebuild.errors import BuildError, HostError
from imagebuild.report import PackageNews, PackageUpdate

if TYPE_CHECKING:
    from pathlib import Path

    from imagebuild.plan.steps import Plan
    from imagebuild.recipe.load import LoadedRecipe
    from imagebuild.rootfs.debian.offer import Archives, Offer
    from imagebuild.rootfs.packages import Packages
    from imagebuild.rootfs.tree import ResolvedTree

Versions = dict[tuple[str, str], str]
"""By name and architecture."""


def ask_archive(loaded: LoadedRecipe, known: Packages | None, archives: Archives) -> PackageNews | None:
    """Whether the archive has other packages than `known` (the image's that is there), noted for the next build.

    A cached tree of other versions is noted, too: it must not be taken, whatever image is there. None: there is nothing
    to ask: the tree is not bootstrapped, or locked. An archive that does not answer ends nothing: `because` says why.
    """
    from imagebuild.plan.planner import tree_source
    from imagebuild.plan.steps import BootstrapDebian
    from imagebuild.rootfs import tree as rootfs
    from imagebuild.rootfs.package_set import write_package_set

    source = tree_source(loaded.recipe)
    if loaded.lock is not None or not isinstance(source, BootstrapDebian):
        return None
    resolved = rootfs.resolve(source, loaded.folder, archives.cache, None, loaded.epoch)
    tree = rootfs.find_tree(resolved, source, loaded.folder, archives.cache)
    there = [packages for packages in (known, tree.packages if tree else None) if packages]
    try:
        offer = archives.offer(source, resolved.apt_sources)
        if not all(is_current(packages, resolved, offer) for packages in there):
            write_package_set(archives.cache, resolved.where_from, offer.digest)
    except (BuildError, HostError, OSError) as error:
        return PackageNews(count=len(known.packages) if known else 0, asked=True, because=_why(error))
    updated = news_of(known, offer) if known and not is_current(known, resolved, offer) else ()
    return PackageNews(as_of=offer.as_of, count=len(offer.packages), asked=True, updated=updated)


def _why(error: BuildError | HostError | OSError) -> str:
    """One line. Where we know no more than the exit code, apt's own last word is in it."""
    details = error.details.splitlines() if isinstance(error, BuildError) and str(error).endswith(")") else []
    return ": ".join([str(error), *details[-1:]])


def is_current(known: Packages, resolved: ResolvedTree, offer: Offer) -> bool:
    """The same versions; or the tree was made for just this answer, and mmdebstrap chose otherwise than apt told us."""
    wanted = resolved.model_copy(update={"package_set": offer.digest})
    return versions(known) == {(one.name, one.architecture): one.version for one in offer.packages} or (
        known.tree == wanted.digest
    )


def news_of(known: Packages, offer: Offer) -> tuple[PackageUpdate, ...]:
    """What an update changes, with the releases that hold it."""
    releases = {(one.name, one.version): one.releases for one in offer.packages}
    after = {(one.name, one.architecture): one.version for one in offer.packages}
    return tuple(
        update.model_copy(update={"releases": releases.get((update.name, update.after), ())})
        for update in differences(versions(known), after)
    )


def packages_of_build(
    plan: Plan, packages: Packages, before: Packages | None, news: PackageNews | None
) -> PackageNews | None:
    """What a report says of the packages. `before`: those of the image that was there; `news`: the archive's answer.

    Without an answer they are as of the tree's own moment, which is the archive's date where it was bootstrapped (and
    SOURCE_DATE_EPOCH does not set another). None: the tree's packages cannot be listed.
    """
    from datetime import UTC, datetime

    from imagebuild.rootfs.times import wanted_epoch

    if not packages.packages:
        return None
    releases = {(one.name, one.after): one.releases for one in news.updated} if news else {}
    updated = tuple(
        one.model_copy(update={"releases": releases.get((one.name, one.after), ())})
        for one in (differences(versions(before), versions(packages)) if before else ())
    )
    as_of = news.as_of if news else ""
    if not as_of and plan.tree.kind == "bootstrap-debian" and plan.epoch is not None and wanted_epoch() is None:
        as_of = datetime.fromtimestamp(plan.epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return PackageNews(
        as_of=as_of, count=len(packages.packages), asked=bool(news and news.asked),
        because=news.because if news else "", updated=updated,
    )  # fmt: skip


def differences(before: Versions, after: Versions) -> Iterable[PackageUpdate]:
    """By name; a package that became architecture-independent (or no longer is) in another version is one update."""
    old, new = _by_name(before), _by_name(after)
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            yield PackageUpdate(name=name, before=old.get(name, ""), after=new.get(name, ""))


def versions(packages: Packages) -> Versions:
    return {(one.name, one.architecture): one.version for one in packages.packages}


def packages_in(folder: Path) -> Packages | None:
    """Of the image that is there; None: none is, or it does not say."""
    from imagebuild.artifacts.output_directory import PACKAGES
    from imagebuild.rootfs.packages import Packages

    try:
        return Packages.model_validate_json((folder / PACKAGES).read_bytes())
    except (OSError, ValueError):
        return None


def _by_name(found: Versions) -> dict[str, str]:
    several: dict[str, set[str]] = {}
    for (name, _), version in found.items():
        several.setdefault(name, set()).add(version)
    return {name: ", ".join(sorted(each)) for name, each in several.items()}
