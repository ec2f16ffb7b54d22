"""One line of packages for each distribution, and a clear answer for those that have none."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from imagebuild.errors import HostError
from imagebuild.host import packages
from imagebuild.host.packages import chosen, install_argv, list_for

ROOT = Path(__file__).parents[3]
DEBIAN = {"ID": "debian", "VERSION_ID": "13", "PRETTY_NAME": "Debian GNU/Linux 13 (trixie)"}
UBUNTU = {"ID": "ubuntu", "VERSION_ID": "24.04", "ID_LIKE": "debian", "PRETTY_NAME": "Ubuntu 24.04.1 LTS"}


def test_debian_has_what_setup_installs() -> None:
    text = (ROOT / ".ci/debian-packages").read_text().partition("\n## tests")[0]
    lines = [line.partition("#")[0].strip() for line in text.splitlines()]
    wanted = {tuple(name.strip() for name in line.split("|")) for line in lines if line}
    assert set(list_for(DEBIAN).packages) == wanted
    assert list_for(DEBIAN).note == ""


def test_ubuntu_has_its_own_kernel() -> None:
    found = list_for(UBUNTU)
    assert ("linux-image-generic",) in found.packages
    assert set(found.packages) - {("linux-image-generic",)} == set(list_for(DEBIAN).packages) - {("linux-image-amd64",)}
    assert "chmod +r /boot/vmlinuz-*" in found.note


@pytest.mark.parametrize(
    "release", [{**DEBIAN, "VERSION_ID": "11"}, {"ID": "mint", "ID_LIKE": "ubuntu debian", "VERSION_ID": "22"}]
)
def test_a_relative_gets_the_list_and_is_told(release: dict[str, str]) -> None:
    found = list_for(release)
    assert found.packages
    assert "is not one of the releases" in found.note


@pytest.mark.parametrize(
    "release",
    [
        {"ID": "fedora", "PRETTY_NAME": "Fedora Linux 41"},
        {"ID": "opensuse-leap", "ID_LIKE": "suse opensuse", "PRETTY_NAME": "openSUSE Leap 15.6"},
        {},
    ],
)
def test_others_get_the_container(release: dict[str, str]) -> None:
    with pytest.raises(HostError) as caught:
        list_for(release)
    assert release.get("PRETTY_NAME", "this machine") in caught.value.brief
    assert "podman run" in caught.value.resolution
    assert "debian:13" in caught.value.resolution


def test_of_alternatives_the_one_that_apt_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "apt-cache"
    program.write_text(
        "#!/bin/sh\ncat <<END\nnew0t64:\n  Installed: (none)\n  Candidate: (none)\nold0:\n  Installed: (none)\n"
        "  Candidate: 1.2\n  Version table:\n     1.2 500\nEND\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert chosen([["new0t64", "old0"], ["zstd"]]) == ["old0", "zstd"]
    program.unlink()
    monkeypatch.setattr("imagebuild.host.command.find", lambda _program: None)
    assert chosen([["new0t64", "old0"]]) == ["new0t64"]


@pytest.mark.needs("apt-cache")
def test_apt_itself_is_understood() -> None:
    told = subprocess.run(["apt-cache", "policy", "dpkg"], capture_output=True, text=True, check=True).stdout
    assert packages._CANDIDATE.search(told), told
    assert install_argv(["dpkg"], root=False) == ["sudo", "apt-get", "install", "--no-install-recommends", "dpkg"]
