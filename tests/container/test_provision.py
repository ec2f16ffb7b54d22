"""vagrant/: the script is run twice in a fresh Debian, the Vagrantfile is read by vagrant itself."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.conftest import lacking
from tests.container.conftest import ROOT, Engine

HOME = "/home/vagrant/imagebuild"


def test_the_script_makes_a_builder(engine: Engine, checkout: Path) -> None:
    container = engine.buildah("from", "--pull-never", engine.base).strip().splitlines()[-1]
    options = ["--isolation", "chroot", "--network", "host", *engine.registries]

    def run(*words: str) -> str:
        return engine.buildah("run", *options, container, "--", *words)

    engine.buildah("copy", "--quiet", container, checkout, HOME)
    run("useradd", "--create-home", "vagrant")
    assert "provision: ready" in run(f"{HOME}/vagrant/provision.sh", HOME, "vagrant")
    again = run(f"{HOME}/vagrant/provision.sh", HOME, "vagrant")
    assert "installing" not in again, "all was there"
    assert "kvm" in run("id", "-nG", "vagrant")
    assert run("cat", "/etc/subuid").count("vagrant:") == 1
    assert "xen" in run("ls", "/boot")
    assert "valid" in run("su", "vagrant", "-c", f"imagebuild validate {HOME}/recipes/debian-12-hd0.yaml")
    engine.buildah("rm", container)


@pytest.mark.needs("vagrant")
@pytest.mark.parametrize(("provider", "program"), [("libvirt", "vagrant-libvirt"), ("virtualbox", "VBoxManage")])
def test_vagrantfile(provider: str, program: str, tmp_path: Path) -> None:
    """All of it where the provider is there; else all but the provider's own settings."""
    environment = os.environ | {"VAGRANT_HOME": str(tmp_path), "VAGRANT_DEFAULT_PROVIDER": provider}
    environment["VAGRANT_DOTFILE_PATH"] = str(tmp_path / "dot")
    installed = subprocess.run(["dpkg", "-s", program], capture_output=True).returncode == 0 or not lacking(program)
    words = ["vagrant", "validate", *([] if installed else ["--ignore-provider"])]
    done = subprocess.run(words, cwd=ROOT / "vagrant", env=environment, capture_output=True, text=True, timeout=120)
    assert "validated successfully" in done.stdout, done.stdout + done.stderr
