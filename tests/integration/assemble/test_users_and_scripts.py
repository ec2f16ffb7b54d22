"""Users, keys, passwords and scripts, in a small imitated tree: built for real, and read back by debugfs."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from imagebuild.errors import BuildError
from imagebuild.events import Quiet
from imagebuild.host.cache import Cache
from imagebuild.operations.image import build_image
from imagebuild.recipe.load import load_recipe
from tests.integration.assemble.sources import trees
from tests.integration.assemble.sources.ext_reader import Entry, read_ext
from tests.integration.assemble.sources.trees import EPOCH, add, member

pytestmark = [pytest.mark.integration, pytest.mark.needs("namespace", "mke2fs", "debugfs", "ssh-keygen")]

PASSWD = "root:x:0:0:root:/root:/bin/sh\nold:x:1000:1000::/home/old:/bin/sh\n+::::::\n"
GROUP = "root:x:0:\nadm:x:4:\nsudo:x:27:old\nold:x:1000:\nnumbers:x:1001:\n"
HASH = "$y$j9T$hunter2"
SETUP = """\
#!/bin/sh
set -e
echo "arguments $*"
{
    echo "$PROFILE at $SOURCE_DATE_EPOCH as $$ on $(cat /proc/sys/kernel/hostname)"
    cat /home/admin/.profile
    cat /proc/net/dev
} > /srv/result
test -c /dev/pts/ptmx && : < /dev/ptmx
echo x > /tmp/left; echo x > /run/left; echo x > /dev/left
sleep 1000 &
"""


class Lines(Quiet):
    """A progress that keeps the log."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def log(self, line: str) -> None:
        self.lines.append(line)


def add_program(archive: tarfile.TarFile, name: str, known: set[str], source: Path | None = None) -> None:
    """A program of this machine with its libraries, for the tree to run."""
    source = source or Path(f"/bin/{name}")
    libraries = re.findall(r"(/\S+) \(0x", subprocess.run(["ldd", source], capture_output=True, text=True).stdout)
    for path, where in [(source, f"./bin/{name}"), *((Path(library), f".{library}") for library in libraries)]:
        if where not in known:
            known.add(where)
            add(archive, member(where, mode=0o755), path.read_bytes())


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tree") / "rootfs.tar"
    known: set[str] = set()
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        trees.add_boot_files(archive)
        for folder in ("home", "home/old", "root", "srv", "etc/skel", "etc/skel/deep"):
            owner = {"uid": 1000, "gid": 1000} if folder == "home/old" else {}
            add(archive, member(f"./{folder}", tarfile.DIRTYPE, **owner))
        for name, text, mode, gid in [
            ("passwd", PASSWD, 0o644, 0), ("group", GROUP, 0o644, 0), ("gshadow", "sudo:*::old\n", 0o640, 42),
            ("shadow", "root:*:1:0:99999:7:::\nold:!:1:0:99999:7:::\n", 0o640, 42),
            ("subuid", "old:100000:65536\n", 0o644, 0), ("skel/.profile", "# profile\n", 0o644, 0),
            ("skel/deep/file", "x\n", 0o600, 0), ("resolv.conf", "nameserver 192.0.2.1\n", 0o644, 0),
        ]:  # fmt: skip
            add(archive, member(f"./etc/{name}", mode=mode, gid=gid), text.encode())
        add(archive, member("./home/old/.ssh", tarfile.DIRTYPE, mode=0o755))
        add(archive, member("./home/old/.ssh/authorized_keys"), b"ssh-ed25519 AAAA earlier\n")
        for program in ("sh", "cat", "sleep"):
            add_program(archive, program, known, Path("/bin/dash") if program == "sh" else None)
    return path


@pytest.fixture
def make_key(tmp_path: Path) -> Callable[[str], str]:
    def make(name: str, folder: Path = tmp_path) -> str:
        path = folder / name
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", path], check=True)
        path.unlink()
        return f"{name}.pub"

    return make


def build(
    tree: Path, folder: Path, more: str, secrets: dict[str, str] | None = None
) -> tuple[dict[bytes, Entry], list[str]]:
    recipe = trees.write_recipe(folder, f"{{tar: {tree}}}", more)
    progress = Lines()
    loaded = load_recipe(recipe)
    build_image(loaded, folder / "i.raw", cache=Cache(folder / "cache"), progress=progress, secrets=secrets or {})
    return read_ext(folder / "i.raw"), progress.lines


def text(found: dict[bytes, Entry], name: str) -> str:
    return found[name.encode()].content.decode()


def test_users_come_with_everything(tree: Path, tmp_path: Path, make_key: Callable[..., str]) -> None:
    more = f"""\
system:
  hostname: web
  root_password: {{hash: $y$j9T$root}}
  users:
    - {{name: admin, ssh_keys: [{make_key("one")}, {make_key("two")}], groups: [sudo, fixed], password: {{env: X}}}}
    - {{name: service, system: true}}
    - {{name: fixed, uid: 1500, shell: /bin/false, home: /srv/fixed, comment: Fixed One}}
    - {{name: root, ssh_keys: [{make_key("three")}]}}
    - {{name: old, ssh_keys: [one.pub], groups: [adm]}}
"""
    secrets = {"system.users.admin.password": HASH, "system.root_password": "$y$j9T$root"}
    found, log = build(tree, tmp_path, more, secrets)
    assert text(found, "etc/passwd") == PASSWD.replace(
        "+::::::\n",
        "admin:x:1001:1002::/home/admin:/bin/sh\nservice:x:999:999::/nonexistent:/usr/sbin/nologin\n"
        "fixed:x:1500:1500:Fixed One:/srv/fixed:/bin/false\n+::::::\n",
    )
    day = EPOCH // 86400
    assert text(found, "etc/shadow") == (
        f"root:$y$j9T$root:1:0:99999:7:::\nold:!:1:0:99999:7:::\nadmin:{HASH}:{day}:0:99999:7:::\n"
        f"service:*:{day}:0:99999:7:::\nfixed:*:{day}:0:99999:7:::\n"
    )
    assert text(found, "etc/group") == (
        "root:x:0:\nadm:x:4:old\nsudo:x:27:old,admin\nold:x:1000:\nnumbers:x:1001:\nadmin:x:1002:\n"
        "service:x:999:\nfixed:x:1500:admin\n"
    )
    assert text(found, "etc/gshadow") == "sudo:*::old,admin\nadmin:!::\nservice:!::\nfixed:!::admin\n"
    assert text(found, "etc/subuid") == "old:100000:65536\nadmin:165536:65536\nfixed:231072:65536\n"
    shadow = found[b"etc/shadow"]
    assert (shadow.mode & 0o7777, shadow.gid, shadow.mtime) == (0o640, 42, EPOCH)
    for name, mode in [
        ("home/admin", 0o700), ("home/admin/.profile", 0o644), ("home/admin/deep/file", 0o600),
        ("home/admin/.ssh", 0o700), ("home/admin/.ssh/authorized_keys", 0o600),
    ]:  # fmt: skip
        entry = found[name.encode()]
        assert (entry.mode & 0o7777, entry.uid, entry.gid) == (mode, 1001, 1002), name
    keys = {name: (tmp_path / f"{name}.pub").read_text() for name in ("one", "two", "three")}
    assert text(found, "home/admin/.ssh/authorized_keys") == keys["one"] + keys["two"]
    assert text(found, "root/.ssh/authorized_keys") == keys["three"]
    assert text(found, "home/old/.ssh/authorized_keys") == "ssh-ed25519 AAAA earlier\n" + keys["one"]
    assert found[b"home/old/.ssh"].mode & 0o777 == 0o700
    assert not any(HASH in line for line in log)


def test_a_key_that_became_a_private_one_is_refused(tree: Path, tmp_path: Path, make_key: Callable[..., str]) -> None:
    """Also when it was a public one while the recipe was read."""
    recipe = trees.write_recipe(
        tmp_path, f"{{tar: {tree}}}", f"system: {{users: [{{name: a, ssh_keys: [{make_key('k')}]}}]}}"
    )
    loaded = load_recipe(recipe)
    (tmp_path / "k.pub").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nhunter2\n")
    with pytest.raises(BuildError, match="PRIVATE key") as caught:
        build_image(loaded, tmp_path / "i.raw", cache=Cache(tmp_path / "cache"), progress=Quiet(), secrets={})
    assert "hunter2" not in str(caught.value) + caught.value.details


def script(folder: Path, content: str, name: str = "setup.sh") -> None:
    (folder / name).write_text(content)


SCRIPTS = """\
system: {hostname: web, users: [{name: admin}]}
scripts: [{run: setup.sh, arguments: [a b, "*"], environment: {PROFILE: small}}, second.sh]
"""


def check_scripts(found: dict[bytes, Entry]) -> None:
    said, profile, *devices = text(found, "srv/result").splitlines()
    assert said == f"small at {EPOCH} as 2 on web"
    assert profile == "# profile"
    assert [line.split(":")[0].strip() for line in devices[2:]] == ["lo"], "it has no network"
    assert found[b"srv/result"].mtime == EPOCH
    assert text(found, "srv/second") == "second\n"
    assert text(found, "etc/resolv.conf") == "nameserver 192.0.2.1\n"
    assert not {b"tmp/left", b"run/left", b"dev/left", b"run/imagebuild"} & set(found)


def test_scripts_run_inside(tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", str(EPOCH))
    script(tmp_path, SETUP)
    script(tmp_path, "#!/bin/sh\ncat /srv/result > /dev/null && echo second > /srv/second\n", "second.sh")
    found, log = build(tree, tmp_path, SCRIPTS)
    check_scripts(found)
    assert "arguments a b *" in log
    assert not any(name.endswith(b".sh") for name in found)


def test_a_script_is_run_again_when_it_could_do_something_else(tree: Path, tmp_path: Path) -> None:
    """Not for another menu; when it has the network, each time: what it would answer is in no key."""
    script(tmp_path, "#!/bin/sh\ncat /proc/sys/kernel/random/uuid > /srv/drawn\n")
    menus = [f"boot: {{timeout: {seconds}}}\n" for seconds in (3, 4)]
    first, other_menu = (build(tree, tmp_path, f"{menu}scripts: [setup.sh]")[0] for menu in menus)
    assert text(first, "srv/drawn") == text(other_menu, "srv/drawn")
    assert "timeout 4" in text(other_menu, "boot/grub/menu.lst")
    with_network = [build(tree, tmp_path, "scripts: [{run: setup.sh, network: true}]")[0] for _ in range(2)]
    assert text(with_network[0], "srv/drawn") != text(with_network[1], "srv/drawn")


def test_what_was_laid_with_a_password_is_not_kept(tree: Path, tmp_path: Path) -> None:
    script(tmp_path, "#!/bin/sh\ncat /etc/shadow > /srv/seen\n")
    more = "system: {root_password: {hash: $y$j9T$root}}\nscripts: [setup.sh]"
    found, _log = build(tree, tmp_path, more, {"system.root_password": HASH})
    assert HASH in text(found, "srv/seen"), "the script finds what was set before it"
    assert not (tmp_path / "cache" / "filesystems").exists()


def test_an_ordinary_user_runs_them_too(tree: Path, ordinary_user: str) -> None:
    with tempfile.TemporaryDirectory(prefix="imagebuild-test-", dir="/tmp") as name:
        folder = Path(name)
        script(folder, SETUP)
        script(folder, "#!/bin/sh\ncat /srv/result > /dev/null && echo second > /srv/second\n", "second.sh")
        (folder / "rootfs.tar").write_bytes(tree.read_bytes())
        recipe = trees.write_recipe(folder, "{tar: rootfs.tar}", SCRIPTS)
        subprocess.run(["chown", "-R", ordinary_user, name], check=True)
        assert trees.build(recipe, folder / "i.raw", folder / "cache", ordinary_user) == ""
        check_scripts(read_ext(folder / "i.raw"))


def test_the_network_is_lent_when_asked_for(tree: Path, tmp_path: Path) -> None:
    script(tmp_path, "#!/bin/sh\ncat /etc/resolv.conf > /srv/servers\ncat /proc/net/dev > /srv/network\n")
    found, _log = build(tree, tmp_path, "scripts: [{run: setup.sh, network: true}]")
    assert found[b"srv/network"].content.splitlines()[2:]
    assert [line.split(":")[0] for line in text(found, "srv/network").splitlines()] == [
        line.split(":")[0] for line in Path("/proc/net/dev").read_text().splitlines()
    ]
    assert text(found, "srv/servers") == Path("/etc/resolv.conf").read_text()
    assert text(found, "etc/resolv.conf") == "nameserver 192.0.2.1\n"
    assert b"etc/.resolv.conf.imagebuild" not in found


@pytest.mark.parametrize(
    ("content", "more", "brief", "details"),
    [
        ("echo words\nexit 3", "", "scripts: setup.sh ended with exit code 3", "words"),
        ("kill -9 $$", "", "scripts: setup.sh was ended by signal 9", ""),
        ("echo begun\nsleep 1000 &\nsleep 1000", ", timeout: 6s", "scripts: setup.sh did not end within 6 s", "begun"),
        ("#!/bin/perl", "", "scripts: setup.sh could not be started", "the tree has no program /bin/perl"),
    ],
)
def test_a_script_that_fails(content: str, more: str, brief: str, details: str, tree: Path, tmp_path: Path) -> None:
    script(tmp_path, content if content.startswith("#!") else f"#!/bin/sh\n{content}\n")
    begun = time.monotonic()
    with pytest.raises(BuildError) as caught:
        build(tree, tmp_path, f"scripts: [{{run: setup.sh{more}}}]")
    assert caught.value.brief == brief
    assert details in caught.value.details
    assert time.monotonic() - begun < 120, "nobody waits for what it has left running"
    assert not (tmp_path / "i.raw").exists()


def test_a_script_does_not_outlive_imagebuild(tree: Path, tmp_path: Path) -> None:
    """However imagebuild dies."""
    script(tmp_path, "#!/bin/sh\nsleep 86399 &\nsleep 86399\n")
    recipe = trees.write_recipe(tmp_path, f"{{tar: {tree}}}", "scripts: [setup.sh]")
    words = [sys.executable, "-m", "imagebuild", "build", str(recipe), "-o", str(tmp_path / "out"), "--no-verify"]
    environment = os.environ | {"IMAGEBUILD_CACHE": str(tmp_path / "cache")}
    build = subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
    try:
        wait_until(lambda: running("sleep 86399") == 2)
    finally:
        build.kill()
        build.wait()
    wait_until(lambda: running("sleep 86399") == 0)


def running(words: str) -> int:
    found = 0
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found += path.read_bytes().rstrip(b"\0") == words.replace(" ", "\0").encode()
    return found


def wait_until(condition: Callable[[], bool], limit_seconds: float = 90) -> None:
    deadline = time.monotonic() + limit_seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.1)
