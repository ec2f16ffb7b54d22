"""The wheel works without a checkout: installed into a virtual environment of its own, used from an empty directory."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.conftest import Needs
from tests.unit.rootfs.family_trees import debian, write_tar

ROOT = Path(__file__).parents[3]
# What is installed beside the package: its recipes, and the man page.
BESIDE = ("recipes", "docs/imagebuild.1")
RECIPE = """\
name: small
rootfs: {tar: tree.tar}
disk: {layout: hd0, filesystem: ext4, size: 64MiB}
files: [{path: /etc/motd, content: hello}]
"""
pytestmark = pytest.mark.integration


def tracked_files(*below: str) -> list[str]:
    """Files of the checkout that git knows and that are there."""
    argv = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *below]
    names = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    return [name for name in names if name and (ROOT / name).is_file()]


def pip(*argv: str) -> None:
    done = subprocess.run([sys.executable, "-m", "pip", *argv, "--quiet"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, so that neither old build directories nor ignored files get into it."""
    source = tmp_path_factory.mktemp("source")
    for name in tracked_files("imagebuild", "pyproject.toml", "README.md", "LICENSE", *BESIDE):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, source / name)
    output = tmp_path_factory.mktemp("dist")
    pip("wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(output), str(source))
    (found,) = output.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def program(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`imagebuild`, installed. Its dependencies are those of the environment that runs the tests.

    That environment's directory becomes a plain entry of sys.path. Python reads .pth files only in site directories
    (module `site`), so the one there that makes this checkout importable does nothing.
    """
    directory = tmp_path_factory.mktemp("venv")
    venv.create(directory, system_site_packages=True, with_pip=False)
    python = directory / "bin" / "python"
    pip("--python", str(python), "install", "--no-deps", "--no-index", str(wheel))
    argv = [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    packages = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()
    (Path(packages) / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return directory / "bin" / "imagebuild"


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    directory = tmp_path / "empty"
    directory.mkdir()
    return directory


def environment(directory: Path) -> Mapping[str, str]:
    """This process's, with a cache in `directory`, and without words that lead to another Python."""
    inherited = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    return {**inherited, "IMAGEBUILD_CACHE": str(directory / "cache")}


def run(program: Path, *argv: str, directory: Path) -> str:
    """Standard output of one imagebuild command that must end with 0."""
    done = subprocess.run(
        [program, *argv], cwd=directory, capture_output=True, text=True, env=environment(directory.parent)
    )
    assert done.returncode == 0, f"imagebuild {' '.join(argv)}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def test_the_wheel_holds_every_file_of_the_package(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
        (metadata,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        facts = archive.read(metadata).decode().splitlines()
    shared = {name.partition(".data/data/share/")[2] for name in packed if ".data/data/share/" in name}
    assert {name for name in packed if ".data/" not in name} == set(tracked_files("imagebuild"))
    recipes = {name for name in tracked_files("recipes/*.yaml", "recipes/files") if name.count("/") < 3}
    own = {f"imagebuild/{name}" for name in recipes if "opensuse" not in name}
    assert shared == {*own, "man/man1/imagebuild.1"}
    assert {"License-Expression: GPL-3.0-or-later", "License-File: LICENSE"} <= set(facts)


def test_it_is_the_wheel_that_runs(program: Path, empty: Path) -> None:
    argv = [str(program.with_name("python")), "-c", "import imagebuild; print(imagebuild.__file__)"]
    done = subprocess.run(argv, cwd=empty, capture_output=True, text=True, check=True, env=environment(empty.parent))
    assert Path(done.stdout.strip()).is_relative_to(program.parents[1])


def test_validate_plan_and_build_in_an_empty_directory(program: Path, empty: Path, needs: Needs) -> None:
    write_tar(empty / "tree.tar", debian().files)
    (empty / "small.yaml").write_text(RECIPE)
    assert run(program, "validate", "small.yaml", directory=empty) == "small.yaml: valid\n"
    assert "menu.lst" in run(program, "plan", "small.yaml", directory=empty)
    needs("namespace", "debugfs")
    run(program, "build", "small.yaml", "-o", "out", "--no-verify", directory=empty)
    assert {"report.html", "plan.json"} <= {path.name for path in (empty / "out/small").iterdir()}


@pytest.mark.needs("guestfs", "qemu", "mmdebstrap", "namespace")
def test_doctor_in_an_empty_directory(program: Path, empty: Path) -> None:
    told = run(program, "doctor", directory=empty)
    assert "pyparted loads libparted" in told
    assert "the appliance was launched" in told
    assert list(empty.iterdir()) == []


def test_recipes_schema_and_completion_come_from_the_wheel(program: Path, empty: Path) -> None:
    assert "debian-12-web" in run(program, "recipe", directory=empty).split()
    run(program, "recipe", "debian-12-web", "-o", "web", directory=empty)
    run(program, "validate", "web/debian-12-web.yaml", directory=empty)
    assert "imagebuild" in run(program, "completion", "bash", directory=empty)
    assert '"$schema"' in run(program, "schema", directory=empty)
    assert (program.parents[1] / "share/man/man1/imagebuild.1").read_text() == (ROOT / "docs/imagebuild.1").read_text()


def test_without_the_extra_nights_and_workers_say_what_to_install(wheel: Path, tmp_path: Path, empty: Path) -> None:
    """An environment that has every dependency but those of the extra."""
    directory = tmp_path / "venv"
    venv.create(directory, with_pip=False)
    python = directory / "bin/python"
    pip("--python", str(python), "install", "--no-deps", "--no-index", str(wheel))
    argv = [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    packages = Path(subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip())
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if not path.name.startswith(
            ("distributed", "fsspec", "obstore", "dask", "imagebuild", "__editable", "pip", "_")
        ):
            (packages / path.name).symlink_to(path)
    for name in ("_ruamel_yaml", "_parted", "_ped", "_cffi_backend"):
        for path in Path(sysconfig.get_path("purelib")).glob(f"{name}*"):
            (packages / path.name).symlink_to(path)
    (empty / "small.yaml").write_text(RECIPE)
    for words in (("worker", "tcp://127.0.0.1:9"), ("nightly", "small.yaml", "-o", "s3://images/nightly")):
        done = subprocess.run(
            [directory / "bin/imagebuild", *words], cwd=empty, capture_output=True, text=True,
            env=environment(empty.parent),
        )  # fmt: skip
        assert (done.returncode, "pip install imagebuild[nightly]" in done.stderr) == (4, True), (
            done.stdout + done.stderr
        )
