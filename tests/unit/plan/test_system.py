"""Users, scripts, growing the root and cloud-init's seed: what the tree's facts decide, and what they refuse."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest

from imagebuild.errors import PlanError
from imagebuild.formats.machine_traces import TRACES
from imagebuild.plan.facts import Account, Group, Noted, TreeFacts
from imagebuild.plan.planner import make_plan
from imagebuild.plan.steps import CopyFile, Edit, GenerateInitrd, Plan, SetPassword, WriteFile, sources_of
from imagebuild.plan.system_vocabulary import AddUser, AuthorizeKeys, JoinGroups, RemoveTraces, RunScript
from tests.unit.plan.test_planner import facts, lvm_disk, recipe

TOOLS = ("systemd/systemd", "findmnt", "partx", "sfdisk", "resize2fs", "xfs_growfs", "btrfs", "lvm", "cloud-init")


def tree(*tools: str, **more: Any) -> TreeFacts:
    places = {name: f"/usr/lib/{name}" if "/" in name else f"/usr/sbin/{name}" for name in tools}
    accounts = (Account(name="root", uid=0, gid=0, home="/root"), Account(name="old", uid=1000, gid=5, home="/srv/old"))
    groups = tuple(
        Group(name=name, gid=gid) for name, gid in {"root": 0, "sudo": 27, "video": 44, "taken": 1001}.items()
    )
    noted = tuple(Noted(path=path, kind="file") for path in places.values())
    return facts().model_copy(
        update={"accounts": accounts, "groups": groups, "noted": noted, "epoch": 20_000 * 86400 + 7, **more}
    )


def kinds(plan: Plan, *wanted: type[Edit]) -> list[Any]:
    return [edit for edit in plan.all_edits if isinstance(edit, wanted)]


def test_numbers_of_new_users() -> None:
    users = [
        {"name": "a"}, {"name": "b", "uid": 1001}, {"name": "c"}, {"name": "d", "system": True},
        {"name": "e", "system": True, "home": "/srv/e", "shell": "/bin/sh"},
    ]  # fmt: skip
    plan = make_plan(recipe(system={"users": users}), tree())
    found = {edit.name: (edit.uid, edit.gid, edit.home, edit.make_home, edit.shell) for edit in kinds(plan, AddUser)}
    assert found == {
        "a": (1002, 1002, "/home/a", True, "/bin/sh"),
        "b": (1001, 1000, "/home/b", True, "/bin/sh"),
        "c": (1003, 1003, "/home/c", True, "/bin/sh"),
        "d": (999, 999, "/nonexistent", False, "/usr/sbin/nologin"),
        "e": (998, 998, "/srv/e", True, "/bin/sh"),
    }
    assert {edit.changed_day for edit in kinds(plan, AddUser)} == {20_000}
    assert [edit.shell for edit in kinds(make_plan(recipe(system={"users": users[:1]}), tree("bash")), AddUser)] == [
        "/bin/bash"
    ]


def test_a_key_may_be_written_in_the_recipe() -> None:
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJOhhIH7fqMiB8dY9HduIzjJ+hVMjYucXz7YBnoTHh59 admin@example"
    plan = make_plan(recipe(system={"users": [{"name": "root", "ssh_keys": ["root.pub", key]}]}), tree())
    (edit,) = kinds(plan, AuthorizeKeys)
    assert (edit.sources, edit.keys) == (("root.pub",), (key,))
    assert sources_of(edit) == ("root.pub",), "no file is looked for under the key's text"


def test_who_is_there_is_not_made() -> None:
    users = [{"name": "root", "ssh_keys": ["k"]}, {"name": "old", "ssh_keys": ["k"], "groups": ["sudo"]}]
    plan = make_plan(recipe(system={"users": users}), tree())
    assert kinds(plan, AddUser, JoinGroups, AuthorizeKeys) == [
        AuthorizeKeys(user="root", uid=0, gid=0, home="/root", sources=("k",)),
        JoinGroups(user="old", groups=("sudo",)),
        AuthorizeKeys(user="old", uid=1000, gid=5, home="/srv/old", sources=("k",)),
    ]
    assert any("no ssh server (package openssh-server)" in note for note in plan.notes)
    assert any("has no sudo" in note for note in plan.notes)
    assert make_plan(recipe(system={"users": users}), tree("sshd", "sudo")).notes == ()


@pytest.mark.parametrize(
    ("user", "words"),
    [
        ({"groups": ["suod"]}, ("system.users.0.groups.0: the tree has no group suod; did you mean 'sudo'?", "video")),
        ({"name": "old", "uid": 1000}, ("system.users.0.uid: the tree has a user old already (uid 1000",)),
        ({"name": "taken"}, ("system.users.0.name: the tree has a group taken already",)),
        ({"uid": 1000}, ("system.users.0.uid: 1000 is old's number",)),
    ],
)
def test_what_the_tree_s_accounts_refuse(user: dict[str, Any], words: tuple[str, ...]) -> None:
    with pytest.raises(PlanError) as caught:
        make_plan(recipe(system={"users": [{"name": "new"} | user]}), tree())
    assert all(word in f"{caught.value.brief} {caught.value.resolution}" for word in words)


def test_everything_has_its_order() -> None:
    """Scripts find users, files and fstab; what they change is in the initrd; the menu comes last."""
    wanted = recipe(
        system={"users": [{"name": "a", "password": {"env": "X"}}], "root_password": {"hash": "$y$hunter2"}},
        files=[{"path": "/etc/motd", "content": "x"}],
        scripts=["one.sh", {"run": "two.sh", "timeout": "1h", "network": True}],
        disk=lvm_disk(),
    )
    no_lvm = tree().kernels[0].model_copy(update={"initrd": None})
    plan = make_plan(wanted, tree(kernels=(no_lvm,)))
    order = [
        type(edit).__name__ if not isinstance(edit, WriteFile) else edit.path
        for edit in plan.all_edits
        if isinstance(edit, (AddUser, SetPassword, RunScript, GenerateInitrd, RemoveTraces, WriteFile))
    ]
    assert order == [
        "AddUser", "SetPassword", "SetPassword", "/etc/motd", "/etc/fstab", "/etc/hosts", "RunScript",
        "RunScript", "GenerateInitrd", *["RemoveTraces"] * len(TRACES), "/boot/grub/menu.lst",
    ]  # fmt: skip
    assert [(edit.user, edit.secret) for edit in kinds(plan, SetPassword)] == [
        ("root", "system.root_password"),
        ("a", "system.users.a.password"),
    ]
    assert "hunter2" not in plan.model_dump_json()
    assert [edit.timeout_seconds for edit in kinds(plan, RunScript)] == [600, 3600]
    assert [name for edit in plan.all_edits for name in sources_of(edit)] == ["one.sh", "two.sh"]


def hd00(**root: Any) -> dict[str, Any]:
    return {
        "layout": "hd00",
        "size": "2GiB",
        "partitions": [{"mount": "/boot", "size": "256MiB", "filesystem": "ext3"}, {"size": "rest", **root}],
    }


LAYOUTS = {
    "hd0": ({"layout": "hd0", "filesystem": "ext4", "size": "2GiB"}, ["findmnt", "resize2fs"]),
    "hd0-btrfs": ({"layout": "hd0", "filesystem": "btrfs", "size": "2GiB"}, ["findmnt", "btrfs"]),
    "hd00": (hd00(mount="/", filesystem="xfs"), ["findmnt", "sfdisk", "partx", "xfs_growfs"]),
    "lvm": (lvm_disk(), ["sfdisk", "partx", "lvm", "resize2fs"]),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_growing_the_root(layout: str) -> None:
    disk, tools = LAYOUTS[layout]
    wanted = recipe(
        system={"grow_root": True}, disk=disk, boot={"loader": "pvgrub2" if "btrfs" in layout else "pv-grub"}
    )
    plan = make_plan(wanted, tree(*TOOLS))
    [script] = [edit for edit in kinds(plan, WriteFile) if edit.path == "/usr/lib/imagebuild/grow-root"]
    assert script.mode == 0o755
    assert all(f"{tool} " in script.content for tool in tools)
    subprocess.run(["sh", "-n"], input=script.content, text=True, check=True)
    with pytest.raises(PlanError) as caught:
        make_plan(wanted, tree(TOOLS[0]))
    assert caught.value.brief == f"system.grow_root: the tree lacks {', '.join(tools)}, which it needs"
    assert ("fdisk" in caught.value.resolution) == ("sfdisk" in tools)
    with pytest.raises(PlanError, match="it needs systemd"):
        make_plan(wanted, tree(*TOOLS[1:]))


def test_a_seed_for_cloud_init() -> None:
    seed = {
        "user_data": "u",
        "meta_data": {"instance-id": "i-1", "x": 'quote " \\'},
        "datasources": ["NoCloud", "None"],
    }
    wanted = recipe(system={"cloud_init": seed, "hostname": "web"})
    plan = make_plan(wanted, tree("cloud-init"))
    written = {edit.path: edit.content for edit in kinds(plan, WriteFile)}
    assert written["/var/lib/cloud/seed/nocloud/meta-data"] == (
        '"instance-id": "i-1"\n"local-hostname": "web"\n"x": "quote \\" \\\\"\n'
    )
    assert "datasource_list: [NoCloud, None]\n" in written["/etc/cloud/cloud.cfg.d/99-imagebuild.cfg"]
    assert CopyFile(source="u", path="/var/lib/cloud/seed/nocloud/user-data", mode=0o600) in plan.all_edits
    with pytest.raises(PlanError, match="the tree has no cloud-init") as caught:
        make_plan(wanted, tree())
    assert caught.value.resolution == "install in the tree: cloud-init"
