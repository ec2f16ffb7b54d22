"""Users in the tree, after chroot(2): lines of passwd(5), shadow(5), group(5) and gshadow(5), homes, authorized keys.

Written here and not by the tree's own useradd: so it is the same in every family, and in a tree without any.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import assert_never

from imagebuild.assemble.inside.directories import make_directory
from imagebuild.errors import BuildError
from imagebuild.plan.steps import SetPassword
from imagebuild.plan.system_vocabulary import AddUser, AuthorizeKeys, JoinGroups
from imagebuild.recipe.public_keys import public_keys

_PASSWD, _SHADOW = Path("/etc/passwd"), Path("/etc/shadow")
_GROUP, _GSHADOW = Path("/etc/group"), Path("/etc/gshadow")
FILES = (_PASSWD, _SHADOW, _GROUP, _GSHADOW)
SKELETON = Path("/etc/skel")
# login.defs(5): SUB_UID_MIN, SUB_UID_COUNT.
SUBORDINATE = (Path("/etc/subuid"), Path("/etc/subgid"))
_FIRST_SUBORDINATE, _SUBORDINATE_COUNT = 100_000, 65_536


def apply(step: AddUser | JoinGroups | SetPassword, secrets: Mapping[str, str]) -> None:
    match step:
        case AddUser():
            _add_user(step)
        case JoinGroups():
            _join_groups(step)
        case SetPassword():
            _set_password(step.user, secrets[step.secret])
        case _:
            assert_never(step)


def _add_user(step: AddUser) -> None:
    """Raises BuildError where the tree has no /etc/passwd or /etc/group, or somebody of that name."""
    assert step.uid is not None
    assert step.gid is not None
    shadowed = _SHADOW.is_file()
    _add_line(
        _PASSWD,
        f"{step.name}:{'x' if shadowed else '*'}:{step.uid}:{step.gid}:{step.comment}:{step.home}:{step.shell}",
    )
    _add_line(_GROUP, f"{step.name}:x:{step.gid}:")
    if shadowed:
        # `*` and not `!`: no password fits either, but to an sshd without PAM `!` is a locked account.
        _add_line(_SHADOW, f"{step.name}:*:{step.changed_day or ''}:0:99999:7:::")
    if _GSHADOW.is_file():
        _add_line(_GSHADOW, f"{step.name}:!::")
    if step.make_home and not os.path.lexists(step.home):
        _make_home(Path(step.home), step.uid, step.gid)
    if step.uid >= 1000:
        for path in SUBORDINATE:
            if path.is_file():
                _add_range(path, step.name)


def _join_groups(step: JoinGroups) -> None:
    """Raises BuildError for a group that the tree does not have."""
    for group in step.groups:
        if not _change_line(_GROUP, group, lambda fields: _with_member(fields, step.user)):
            raise BuildError(f"{step.user} cannot join the group {group}: {_GROUP} of the tree has no line for it")
        if _GSHADOW.is_file():
            _change_line(_GSHADOW, group, lambda fields: _with_member(fields, step.user))


def authorize_keys(step: AuthorizeKeys, contents: Sequence[bytes]) -> None:
    """`contents`: of the step's sources. Keys that are there already stay. Raises BuildError for what is no key."""
    assert step.uid is not None
    assert step.gid is not None
    keys: list[str] = []
    for name, content in zip(step.sources, contents, strict=True):
        try:
            keys += public_keys(content)
        except ValueError as error:
            raise BuildError(f"system.users: {name} cannot be a key of {step.user}: {error}") from error
    keys += step.keys  # these were checked where they stand
    home, directory = Path(step.home), Path(step.home, ".ssh")
    if not home.is_dir():
        raise BuildError(f"system.users: {step.user}'s home {home} is not in the tree: there is no place for ssh_keys")
    if directory.is_symlink():
        raise BuildError(
            f"system.users: {directory} of the tree is a symbolic link, and a directory is needed for ssh_keys"
        )
    directory.mkdir(exist_ok=True)
    os.chown(directory, step.uid, step.gid)
    directory.chmod(0o700)
    path = directory / "authorized_keys"
    before = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
    path.unlink(missing_ok=True)  # a link is replaced, not followed
    path.write_text("".join(f"{line}\n" for line in dict.fromkeys([*before, *keys])), encoding="utf-8")
    os.chown(path, step.uid, step.gid)
    path.chmod(0o600)


def _set_password(user: str, encrypted: str) -> None:
    """The second field of the user's line in /etc/shadow. Raises OSError when there is none."""
    if not _SHADOW.is_file():
        raise OSError(2, "there is no such file", str(_SHADOW))
    if not _change_line(_SHADOW, user, lambda fields: [user, encrypted, *fields[2:]]):
        raise OSError(2, f"no user {user} in it", str(_SHADOW))


def _lines(path: Path) -> list[str]:
    if not path.is_file():
        raise BuildError(f"system.users: the tree has no {path}", resolution="users need a tree that has some already")
    return path.read_text(encoding="utf-8", errors="surrogateescape").splitlines()


def _write(path: Path, lines: list[str]) -> None:
    """In place: owner and mode stay."""
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", errors="surrogateescape")


def _add_line(path: Path, line: str) -> None:
    lines = _lines(path)
    name = line.split(":")[0]
    if any(other.split(":")[0] == name for other in lines):
        raise BuildError(f"system.users: {path} of the tree has a line for {name} already")
    # Lines from a + on are NIS's (nsswitch.conf(5), compat): what stands behind them may be hidden.
    place = next((index for index, other in enumerate(lines) if other.startswith("+")), len(lines))
    _write(path, [*lines[:place], line, *lines[place:]])


def _change_line(path: Path, name: str, change: Callable[[list[str]], list[str]]) -> bool:
    """Change the fields of the name's line; False: there is none."""
    lines = _lines(path)
    found = [index for index, line in enumerate(lines) if line.split(":")[0] == name]
    for index in found:
        lines[index] = ":".join(change(lines[index].split(":")))
    if found:
        _write(path, lines)
    return bool(found)


def _with_member(fields: list[str], user: str) -> list[str]:
    *others, members = fields
    names = [name for name in members.split(",") if name]
    return [*others, ",".join([*names, *([] if user in names else [user])])]


def _make_home(home: Path, uid: int, gid: int) -> None:
    make_directory(home.parent)
    if SKELETON.is_dir():
        shutil.copytree(SKELETON, home, symlinks=True)
    else:
        home.mkdir()
    for directory, directories, files in os.walk(home):
        for name in (*directories, *files):
            os.chown(Path(directory, name), uid, gid, follow_symlinks=False)
    os.chown(home, uid, gid)
    home.chmod(0o700)


def _add_range(path: Path, user: str) -> None:
    """The next range of subordinate numbers, as useradd takes it (subuid(5))."""
    lines = _lines(path)
    ends = [
        int(start) + int(count) for _user, start, count in (line.split(":") for line in lines if line.count(":") == 2)
    ]
    _write(path, [*lines, f"{user}:{max([_FIRST_SUBORDINATE, *ends])}:{_SUBORDINATE_COUNT}"])
