"""Traces are taken out of a tree, and what the recipe wrote stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagebuild.assemble.inside.tree_edits import apply_edits
from imagebuild.formats.machine_traces import TRACES
from imagebuild.host.fence.request import Limits
from imagebuild.plan.system_vocabulary import RemoveTraces
from imagebuild.plan.traces import trace_edits
from tests.unit.rootfs.test_families import recipe

pytestmark = [pytest.mark.integration, pytest.mark.needs("root")]
TREE = {
    "etc/machine-id": b"0123456789abcdef\n", "var/lib/dbus/machine-id": b"0123456789abcdef\n",
    "etc/ssh/ssh_host_rsa_key": b"PRIVATE", "etc/ssh/ssh_host_rsa_key.pub": b"ssh-rsa", "etc/ssh/sshd_config": b"#",
    "usr/lib/systemd/system/ssh.service": b"[Unit]\n", "var/lib/cloud/instances/i-0/sem/x": b"x",
    "var/lib/cloud/seed/nocloud/user-data": b"#cloud-config\n", "var/lib/systemd/random-seed": b"seed",
    "var/lib/dhcp/dhclient.eth0.leases": b"lease", "var/lib/apt/lists/x_Release": b"x",
    "var/cache/apt/pkgcache.bin": b"x",
    "var/log/apt/history.log": b"x", "var/log/wtmp": b"x", "root/.bash_history": b"x", "home/a/.bash_history": b"x",
    "home/a/.bashrc": b"x", "etc/udev/rules.d/70-persistent-net.rules": b"x", "root/.ssh/authorized_keys": b"key",
}  # fmt: skip

LIMITS = Limits(seconds=60, memory_bytes=2**30, processes=50)  # nothing of the tree runs here


def _tree(folder: Path) -> Path:
    for name, content in TREE.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (folder / "var/lib/cloud/instance").symlink_to("instances/i-0")
    return folder


def _after(folder: Path, edits: tuple[RemoveTraces, ...]) -> dict[str, bytes]:
    apply_edits(folder, edits, recipe_directory=folder, secrets={}, epoch=0, limits=LIMITS)
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_everything_goes(tmp_path: Path) -> None:
    left = _after(_tree(tmp_path), trace_edits(recipe(), ()))
    drop_in = left.pop("etc/systemd/system/ssh.service.d/host-keys.conf")
    assert b"ssh-keygen -A" in drop_in
    assert left == {
        "etc/machine-id": b"", "etc/ssh/sshd_config": b"#", "usr/lib/systemd/system/ssh.service": b"[Unit]\n",
        "var/lib/cloud/seed/nocloud/user-data": b"#cloud-config\n", "var/log/apt/history.log": b"", "var/log/wtmp": b"",
        "home/a/.bashrc": b"x", "root/.ssh/authorized_keys": b"key",
    }  # fmt: skip


@pytest.mark.parametrize("name", [trace.name for trace in TRACES])
def test_each_can_be_kept(name: str, tmp_path: Path) -> None:
    whole = set(_after(_tree(tmp_path / "a"), trace_edits(recipe(), ())).items())
    kept = set(_after(_tree(tmp_path / "b"), trace_edits(recipe(system={"keep": [name]}), ())).items())
    assert kept - whole


def test_the_recipes_own_files_stay(tmp_path: Path) -> None:
    wanted = recipe(
        files=[{"path": "/etc/ssh/ssh_host_rsa_key", "content": "x"}], system={"remove": ["authorized-keys"]}
    )
    own = tuple(edit.model_copy(update={"spared": ("/etc/ssh/ssh_host_rsa_key",)}) for edit in trace_edits(wanted, ()))
    left = _after(_tree(tmp_path), own)
    assert not (tmp_path / "var/lib/cloud/instance").is_symlink()
    assert "etc/ssh/ssh_host_rsa_key" in left
    assert "root/.ssh/authorized_keys" not in left
