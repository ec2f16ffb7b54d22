"""What each machine makes for itself goes last; what the recipe says stays."""

from __future__ import annotations

from pathlib import Path

from imagebuild.formats.machine_traces import TRACES, expand
from imagebuild.plan.hosts import completed_hosts
from imagebuild.plan.outline import outline
from imagebuild.plan.planner import make_plan
from imagebuild.plan.steps import Plan, WriteFile
from imagebuild.plan.system_vocabulary import RemoveTraces, RunScript
from imagebuild.rootfs.facts import read_tree
from tests.unit.rootfs.family_trees import debian, write_tar
from tests.unit.rootfs.test_families import recipe


def _traces(plan: Plan) -> dict[str, RemoveTraces]:
    return {edit.name: edit for edit in plan.all_edits if isinstance(edit, RemoveTraces)}


def _made(folder: Path, inside: dict[str, bytes] | None = None, **changes: object) -> Plan:
    tree = {**debian().files, **(inside or {})}
    return make_plan(recipe(**changes), read_tree(write_tar(folder / "tree.tar", tree), "0" * 64)[0])


def test_every_kind_goes_with_its_reason(tmp_path: Path) -> None:
    plan = _made(tmp_path)
    assert list(_traces(plan)) == [trace.name for trace in TRACES]
    shown = outline(plan)
    assert all(f"remove {trace.name}" in shown and trace.reason in shown for trace in TRACES)


def test_a_recipe_keeps_them_one_by_one(tmp_path: Path) -> None:
    plan = _made(tmp_path, system={"keep": ["logs", "ssh-host-keys"]})
    assert {"logs", "ssh-host-keys"} & set(_traces(plan)) == set()
    assert "machine-id" in _traces(plan)


def test_they_go_behind_the_scripts_and_spare_the_recipes_own(tmp_path: Path) -> None:
    files = [{"path": "/etc/ssh/ssh_host_rsa_key", "content": "x", "mode": "0600"}]
    plan = _made(tmp_path, scripts=["install.sh"], files=files)
    kinds = [type(edit) for edit in plan.all_edits]
    assert kinds.index(RunScript) < kinds.index(RemoveTraces)
    assert "/etc/ssh/ssh_host_rsa_key" in _traces(plan)["ssh-host-keys"].spared


def test_without_scripts_the_recipes_own_files_come_behind(tmp_path: Path) -> None:
    plan = _made(tmp_path, files=[{"path": "/var/log/mine", "content": "x"}])
    paths = [edit.path if isinstance(edit, WriteFile) else edit.kind for edit in plan.all_edits]
    last = len(paths) - 1 - paths[::-1].index("remove-traces")
    assert last < paths.index("/var/log/mine")
    assert WriteFile(path="/var/log/mine", content="x") in plan.finishing, "so that the filesystem can be cached"


def test_authorized_keys_go_only_on_a_word(tmp_path: Path) -> None:
    keys = {"root/.ssh/authorized_keys": b"ssh-rsa A builder\n", "home/admin/.ssh/authorized_keys": b"x"}
    plan = _made(tmp_path, keys)
    assert "authorized-keys" not in _traces(plan)
    assert any("/root/.ssh/authorized_keys" in note and "system.remove" in note for note in plan.notes)
    plan = _made(tmp_path, keys, system={"remove": ["authorized-keys"]})
    assert "/home/*/.ssh/authorized_keys" in _traces(plan)["authorized-keys"].removed
    assert not any("authorized_keys" in note for note in plan.notes)


def test_names_that_no_package_brings(tmp_path: Path) -> None:
    written = {edit.path: edit.content for edit in _made(tmp_path, system={"hostname": "web"}).all_edits
               if isinstance(edit, WriteFile)}  # fmt: skip
    assert written["/etc/hosts"] == "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n127.0.1.1\tweb\n"
    own = [{"path": "/etc/hosts", "content": "mine"}]
    plan = _made(tmp_path, files=own)
    written_files = [edit for edit in plan.all_edits if isinstance(edit, WriteFile)]
    assert [edit.content for edit in written_files if edit.path == "/etc/hosts"] == ["mine"]


def test_hosts_are_completed_and_not_written_over() -> None:
    assert completed_hosts("127.0.0.1 localhost\n10.0.0.1 db # x\n", "web") == (
        "127.0.0.1 localhost\n10.0.0.1 db # x\n127.0.1.1\tweb\n"
    )
    assert completed_hosts("127.0.0.1 LOCALHOST web\n", "Web") is None
    assert completed_hosts("# 127.0.0.1 localhost", None) == (
        "# 127.0.0.1 localhost\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"
    )
    assert completed_hosts("127.0.0.1 localhost", "a.example.org") == (
        "127.0.0.1 localhost\n127.0.1.1\ta.example.org a\n"
    )


def test_patterns() -> None:
    names = {"/": ["home"], "/home": ["b", "a"], "/home/a": [".bash_history", "x"], "/home/b": []}
    found = expand("/home/*/.*_history", lambda folder: names.get(folder, []))
    assert list(found) == ["/home/a/.bash_history"]
    assert list(expand("/etc/machine-id", lambda folder: [])) == ["/etc/machine-id"]
