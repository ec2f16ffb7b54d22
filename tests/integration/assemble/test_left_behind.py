"""What a script or an earlier machine leaves is not in the image that is built, and what no package brings is there.

Seen in the built image by debugfs, and by `verify`'s own check of it.
"""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from imagebuild.events import Quiet
from imagebuild.host.cache import Cache
from imagebuild.image.subject import open_subject
from imagebuild.operations.image import build_image
from imagebuild.recipe.load import load_recipe
from imagebuild.report import Outcome
from imagebuild.testhost import TestHost
from imagebuild.verify.static import CHECKS, findings
from imagebuild.verify.view import Finding, View
from tests import images
from tests.integration.assemble.sources import trees
from tests.integration.assemble.sources.ext_reader import Entry, read_ext
from tests.integration.assemble.sources.trees import add, member
from tests.integration.assemble.test_users_and_scripts import add_program

pytestmark = [pytest.mark.integration, pytest.mark.needs("namespace", "mke2fs", "debugfs", "testhost")]

_DROP_IN = b"etc/systemd/system/ssh.service.d/host-keys.conf"
# What installing a package in a tree leaves: sshd's keys (its postinst), D-Bus' id, apt's lists and logs.
_SCRIPT = """\
#!/bin/sh
set -e
echo PRIVATE > /etc/ssh/ssh_host_ed25519_key
echo ssh-ed25519 > /etc/ssh/ssh_host_ed25519_key.pub
echo 00112233445566778899aabbccddeeff > /var/lib/dbus/machine-id
echo 00112233445566778899aabbccddeeff > /etc/machine-id
echo lists > /var/lib/apt/lists/deb.example.org_InRelease
echo cache > /var/cache/apt/pkgcache.bin
echo installed > /var/log/dpkg.log
echo 'mount -o password=x' > /root/.bash_history
"""
_FOLDERS = (
    "etc/ssh", "var", "var/lib", "var/lib/dbus", "var/lib/apt", "var/lib/apt/lists", "var/cache", "var/cache/apt",
    "var/log", "root", "usr", "usr/lib", "usr/lib/systemd", "usr/lib/systemd/system",
)  # fmt: skip
_GONE = (
    "etc/ssh/ssh_host_ed25519_key", "etc/ssh/ssh_host_ed25519_key.pub", "var/lib/dbus/machine-id",
    "var/lib/apt/lists/deb.example.org_InRelease", "var/cache/apt/pkgcache.bin", "root/.bash_history",
)  # fmt: skip
# A machine that has run, as files of its image.
_MACHINE: dict[str, bytes | images.Link] = {
    "etc/ssh/ssh_host_rsa_key": b"PRIVATE\n", "etc/ssh/ssh_host_rsa_key.pub": b"ssh-rsa\n",
    "etc/machine-id": b"ffeeddccbbaa99887766554433221100\n",
    "var/lib/dbus/machine-id": b"ffeeddccbbaa99887766554433221100\n",
    "var/lib/cloud/instances/i-77/sem/config_ssh": b"x", "var/lib/cloud/instance": images.Link("instances/i-77"),
    "var/lib/cloud/data/instance-id": b"i-77\n", "var/lib/dhcp/dhclient.eth0.leases": b"lease {}\n",
    "var/lib/systemd/random-seed": b"seed", "var/log/auth.log": b"accepted\n", "root/.bash_history": b"secret\n",
    "etc/udev/rules.d/70-persistent-net.rules": b"# eth0\n", "root/.ssh/authorized_keys": b"ssh-rsa builder\n",
    "home/operator/.ssh/authorized_keys": b"ssh-rsa builder\n",
    "etc/hosts": b"127.0.0.1 localhost\n10.9.8.7 old-name\n",
}  # fmt: skip


def _identity(image: Path, host: TestHost, scratch: Path) -> list[Finding]:
    check = next(check for check in CHECKS if check.name == "identity")
    with open_subject(image, host.tools, scratch) as subject:
        return list(findings(check, View(subject, "pv-grub")))


def _built(folder: Path, source: str, more: str, cache: Cache) -> tuple[Path, dict[bytes, Entry]]:
    recipe = load_recipe(trees.write_recipe(folder, source, more))
    build_image(recipe, folder / "image.raw", cache=cache, progress=Quiet(), secrets={})
    return folder / "image.raw", read_ext(folder / "image.raw")


def _tree(target: Path) -> Path:
    """A small tree with a shell and sshd's unit; it has no /etc/hosts, as no bootstrapped tree has one."""
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as archive:
        trees.add_boot_files(archive)
        for folder in _FOLDERS:
            add(archive, member(f"./{folder}", tarfile.DIRTYPE))
        add(archive, member("./etc/passwd"), b"root:x:0:0:root:/root:/bin/sh\n")
        add(archive, member("./etc/group"), b"root:x:0:\n")
        add(archive, member("./usr/lib/systemd/system/ssh.service"), b"[Service]\n")
        add_program(archive, "sh", set(), Path("/bin/dash"))
    return target


def test_what_a_script_leaves_is_gone(tmp_path: Path, test_host: TestHost) -> None:
    tree = _tree(tmp_path / "tree.tar")
    (tmp_path / "install.sh").write_text(_SCRIPT)
    more = "system: {hostname: web.example.org}\nscripts: [{run: install.sh}]"
    image, found = _built(tmp_path, f"{{tar: {tree}}}", more, Cache(tmp_path / "cache"))
    assert [name for name in _GONE if name.encode() in found] == []
    assert (found[b"etc/machine-id"].content, found[b"var/log/dpkg.log"].content) == (b"", b"")
    assert b"ssh-keygen -A" in found[_DROP_IN].content
    assert [finding.outcome for finding in _identity(image, test_host, tmp_path)] == [Outcome.PASSED]


def test_what_the_recipe_keeps_is_there_and_told(tmp_path: Path, test_host: TestHost) -> None:
    tree = _tree(tmp_path / "tree.tar")
    (tmp_path / "install.sh").write_text(_SCRIPT)
    more = "system: {keep: [ssh-host-keys]}\nscripts: [{run: install.sh}]"
    image, found = _built(tmp_path, f"{{tar: {tree}}}", more, Cache(tmp_path / "cache"))
    assert found[b"etc/ssh/ssh_host_ed25519_key"].content == b"PRIVATE\n"
    assert _DROP_IN not in found
    (told,) = _identity(image, test_host, tmp_path)
    assert told.outcome is Outcome.WARNED
    assert "ssh_host_ed25519_key" in told.detail


def test_the_host_knows_localhost_and_itself(tmp_path: Path) -> None:
    tree = _tree(tmp_path / "tree.tar")
    more = "system: {hostname: web.example.org}"
    _, found = _built(tmp_path, f"{{tar: {tree}}}", more, Cache(tmp_path / "cache"))
    lines = found[b"etc/hosts"].content.decode().splitlines()
    names = {name: line.split()[0] for line in lines for name in line.split()[1:]}
    assert found[b"etc/hostname"].content == b"web.example.org\n"
    assert (names["web.example.org"], names["web"], names["localhost"]) == ("127.0.1.1", "127.0.1.1", "::1")
    assert "127.0.0.1\tlocalhost" in lines


def test_an_image_of_a_machine_is_rebundled_without_its_traces(
    tmp_path: Path, test_host: TestHost, user_cache: Cache, needs: object
) -> None:
    assert callable(needs)
    needs("guestfs", "qemu-img")
    fstab = f"UUID={images.ROOT_UUID} / ext4 defaults 0 1\n".encode()
    files = {**trees.boot_files(), **_MACHINE, images.MENU: images.menu().encode(), "etc/fstab": fstab}
    old = images.make_image(tmp_path / "old.raw", images.Filesystem(files, features=""))
    assert [finding.outcome for finding in _identity(old, test_host, tmp_path)] == [Outcome.WARNED]
    more = "system: {hostname: new-name, remove: [authorized-keys]}"
    image, found = _built(tmp_path, f"{{image: {old}}}", more, user_cache)
    left = {name: found[name.encode()].content for name in _MACHINE if name.encode() in found}
    hosts = left.pop("etc/hosts")
    assert left == {"etc/machine-id": b"", "var/log/auth.log": b""}
    assert b"127.0.1.1\tnew-name" in hosts
    assert [finding.outcome for finding in _identity(image, test_host, tmp_path)] == [Outcome.PASSED]
