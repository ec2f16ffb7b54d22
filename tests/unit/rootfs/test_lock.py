"""The lock: its text, what it refuses, and what is said when the mirror has other packages. No network, no tree."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagebuild.errors import BuildError, RecipeError
from imagebuild.host.cache import Cache
from imagebuild.plan.planner import tree_source
from imagebuild.plan.steps import BootstrapDebian
from imagebuild.recipe.load import LoadedRecipe, load_recipe
from imagebuild.recipe.lock import PackageLock, lock_path
from imagebuild.rootfs import tree as rootfs
from imagebuild.rootfs.debian import argv as debian_argv
from imagebuild.rootfs.lock import check_packages, explain_failure, lock_of, locked_sources, pins, with_lock
from imagebuild.rootfs.packages import Package, Packages, installed_packages

RECIPE = """\
name: web
rootfs: {{debian: {{suite: bookworm, packages: [{packages}]{more}}}}}
disk: {{layout: hd0, size: 1GiB, filesystem: ext4}}
"""
MOMENT = 1_700_000_000
PACKAGES = Packages(
    tree="0" * 64,
    packages=(
        Package(name="bash", version="5.2-1+b1", architecture="amd64", sha256="a" * 64, size_bytes=1000),
        Package(name="zstd", version="1:1.5", architecture="amd64", sha256="b" * 64),
    ),
)


def recipe(folder: Path, packages: str = "zstd", more: str = "") -> LoadedRecipe:
    path = folder / "web.yaml"
    path.write_text(RECIPE.format(packages=packages, more=more))
    return load_recipe(path)


def lock_in(folder: Path) -> PackageLock:
    loaded = recipe(folder)
    lock = lock_of(loaded, PACKAGES, MOMENT, content_sha256=None, apt_sources=())
    lock_path(loaded.path).write_text(lock.text())
    return lock


def test_the_text_is_the_lock_a_line_for_each_package(tmp_path: Path) -> None:
    lock = lock_in(tmp_path)
    assert PackageLock.model_validate_json(lock.text()) == lock
    lines = lock.text().splitlines()
    assert sum('"name"' in line for line in lines) == 2
    assert lock_of(recipe(tmp_path), PACKAGES, MOMENT, content_sha256=None, apt_sources=()).text() == lock.text()
    assert '"moment": 1700000000' in lock.text()


def test_a_recipe_is_bound_to_its_lock(tmp_path: Path) -> None:
    lock = lock_in(tmp_path)
    bound = with_lock(recipe(tmp_path))
    assert bound.lock == lock
    assert lock_path(bound.path) in bound.files, "it travels with the recipe, and its change is the recipe's"
    assert with_lock(recipe(tmp_path, more=", mirror: 'http://other.example/debian'")).lock == lock


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "has no lock file; make one: imagebuild lock"),
        ("{}", "not a lock file of this version"),
        ('{"format": 2}', "not a lock file of this version"),
    ],
)
def test_no_lock(tmp_path: Path, content: str | None, said: str) -> None:
    loaded = recipe(tmp_path)
    if content is not None:
        lock_path(loaded.path).write_text(content)
    with pytest.raises(RecipeError) as error:
        with_lock(loaded)
    assert str(error.value.problems[0]).startswith(str(tmp_path / "web.lock"))
    assert said in str(error.value.problems[0])


def test_the_lock_of_another_package_list(tmp_path: Path) -> None:
    lock_in(tmp_path)
    with pytest.raises(RecipeError) as error:
        with_lock(recipe(tmp_path, packages="zstd, htop"))
    assert "another rootfs" in str(error.value.problems[0])


def test_a_package_without_a_digest_cannot_be_locked(tmp_path: Path) -> None:
    bare = Packages(tree="0" * 64, packages=(Package(name="own", version="1", architecture="all"),))
    with pytest.raises(BuildError, match="cannot be locked"):
        lock_of(recipe(tmp_path), bare, MOMENT, content_sha256=None, apt_sources=())


def test_apt_may_take_these_versions_only(tmp_path: Path) -> None:
    first, *others = pins(lock_in(tmp_path)).split("\n\n")
    assert first == "Package: *\nPin: release *\nPin-Priority: -1"
    assert others[1] == "Package: zstd\nPin: version 1:1.5\nPin-Priority: 1001\n"


def test_a_tree_of_other_packages(tmp_path: Path) -> None:
    lock = lock_in(tmp_path)
    check_packages(lock, PACKAGES)
    newer = PACKAGES.packages[0].model_copy(update={"version": "5.3-1", "sha256": "c" * 64})
    other_file = PACKAGES.packages[1].model_copy(update={"sha256": "d" * 64})
    more = Package(name="htop", version="1", architecture="amd64", sha256="e" * 64)
    with pytest.raises(BuildError) as error:
        check_packages(lock, Packages(tree="", packages=(newer, other_file, more)))
    assert error.value.details.splitlines() == [
        "bash (amd64): locked is 5.2-1+b1, found 5.3-1",
        "htop (amd64): not in the lock",
        f"zstd (amd64): 1:1.5 is another file: sha256 {'d' * 64}, locked is {'b' * 64}",
    ]
    assert "imagebuild lock" in error.value.resolution
    assert "https://snapshot.debian.org/archive/debian/20231115T041320Z" in error.value.resolution


def test_what_the_mirror_lacks(tmp_path: Path) -> None:
    lock = lock_in(tmp_path)
    failure = BuildError("bootstrapping failed")
    index = (
        "Package: bash\nArchitecture: amd64\nVersion: 5.3-1\nSHA256: c\n\n"
        f"Package: zstd\nArchitecture: amd64\nVersion: 1:1.5\nSHA256: {'b' * 64}\n"
    )
    explained = explain_failure(failure, lock, index)
    assert explained.brief == "the mirror does not have 1 of 2 locked packages"
    assert explained.details == "bash 5.2-1+b1 (amd64): the mirror has 5.3-1"
    complete = index.replace("5.3-1\nSHA256: c", f"5.2-1+b1\nSHA256: {'a' * 64}")
    assert explain_failure(failure, lock, complete) is failure, "something else is wrong"


def test_the_tree_of_a_lock_is_another_entry_of_the_cache(tmp_path: Path) -> None:
    lock = lock_in(tmp_path)
    source = tree_source(recipe(tmp_path).recipe)
    keys = {
        rootfs.resolve(source, tmp_path, Cache(tmp_path), None).digest,
        rootfs.resolve(source, tmp_path, Cache(tmp_path), lock).digest,
    }
    later = lock.model_copy(update={"moment": 1})
    assert len(keys | {rootfs.resolve(source, tmp_path, Cache(tmp_path), later).digest}) == 3


def test_a_tree_that_is_given_is_locked_by_its_digest(tmp_path: Path) -> None:
    (tmp_path / "tree.tar").write_bytes(b"one")
    path = tmp_path / "own.yaml"
    path.write_text("name: own\nrootfs: {tar: tree.tar}\ndisk: {layout: hd0, size: 64MiB, filesystem: ext4}\n")
    loaded = load_recipe(path)
    source = tree_source(loaded.recipe)
    digest = rootfs.resolve(source, tmp_path, Cache(tmp_path)).content_sha256
    lock = PackageLock(source="", architecture="x86_64", content_sha256=digest)
    rootfs.resolve(source, tmp_path, Cache(tmp_path), lock)
    (tmp_path / "tree.tar").write_bytes(b"two")
    with pytest.raises(BuildError, match="not the one that the lock names"):
        rootfs.resolve(source, tmp_path, Cache(tmp_path), lock)


def test_a_snapshot_stays_valid_and_its_updates_lie_beside_it(tmp_path: Path) -> None:
    mirror = "https://snapshot.debian.org/archive/debian/20250520T000000Z"
    source = tree_source(recipe(tmp_path, more=f", mirror: '{mirror}'").recipe)
    assert isinstance(source, BootstrapDebian)
    options = "deb [check-valid-until=no] https://snapshot.debian.org/archive"
    assert debian_argv.apt_sources(source) == (
        f"{options}/debian/20250520T000000Z bookworm main",
        f"{options}/debian/20250520T000000Z bookworm-updates main",
        f"{options}/debian-security/20250520T000000Z bookworm-security main",
    )
    plain = source.model_copy(update={"mirror": "http://deb.debian.org/debian"})
    assert debian_argv.apt_sources(plain) == ("deb http://deb.debian.org/debian bookworm main",)


def test_debians_mirrors_are_named_where_the_machines_apt_knows_nothing_of_the_suite(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On Debian 13, say: a tree without sources would have no moment, and other bytes than on Debian 12."""
    monkeypatch.setattr(debian_argv, "debian_mirrors", lambda _suite: [])
    source = tree_source(recipe(tmp_path).recipe)
    assert isinstance(source, BootstrapDebian)
    assert debian_argv.apt_sources(source) == (
        "deb http://deb.debian.org/debian bookworm main",
        "deb http://deb.debian.org/debian bookworm-updates main",
        "deb http://deb.debian.org/debian-security bookworm-security main",
    )
    sid = source.model_copy(update={"suite": "sid", "components": ("main", "contrib")})
    assert debian_argv.apt_sources(sid) == ("deb http://deb.debian.org/debian sid main contrib",)


def test_sizes_come_from_the_archives_index() -> None:
    status = "Package: bash\nStatus: install ok installed\nVersion: 1\nArchitecture: amd64\n"
    index = "Package: bash\nVersion: 1\nArchitecture: amd64\nSHA256: aa\nSize: 42\n"
    assert installed_packages(status, index)[0].size_bytes == 42
    assert installed_packages(status)[0].size_bytes is None


def test_a_lock_names_the_archives_too(tmp_path: Path) -> None:
    """apt's sources stand in the tree: on another machine they are the lock's, unless the recipe names a mirror."""
    locked = (
        "deb http://deb.debian.org/debian bookworm main",
        "deb http://deb.debian.org/debian bookworm-updates main",
    )
    lock = lock_of(recipe(tmp_path), PACKAGES, MOMENT, content_sha256=None, apt_sources=locked)
    assert locked_sources(lock, ("deb http://mirror.example/debian bookworm main",)) == locked
    own = tuple(line.replace("//", "//user:secret@") for line in locked)
    assert locked_sources(lock, own) == own
    silent = lock_of(recipe(tmp_path), PACKAGES, MOMENT, content_sha256=None, apt_sources=())
    assert locked_sources(silent, own) == own
