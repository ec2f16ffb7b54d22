"""The steps that set up users in the tree, and that run scripts in it: part of the closed vocabulary of steps.py."""

from __future__ import annotations

from typing import Literal

from imagebuild.plan.disk_vocabulary import Step


class AddUser(Step):
    """Add a line to passwd(5), shadow(5), group(5) and gshadow(5) each, and make the home from /etc/skel (mode 0700).

    `uid` and `gid` (of the group of its own) None: not known until the tree is there. `changed_day`: when its password
    was changed last, in days since 1970. A home that is there stays as it is.
    """

    kind: Literal["add-user"] = "add-user"
    name: str
    uid: int | None
    gid: int | None
    home: str
    make_home: bool
    shell: str
    comment: str
    changed_day: int | None


class JoinGroups(Step):
    """Add the user to these groups of the tree."""

    kind: Literal["join-groups"] = "join-groups"
    user: str
    groups: tuple[str, ...]


class AuthorizeKeys(Step):
    """Write ~/.ssh/authorized_keys (0600, in a directory of 0700) from public keys that stand beside the recipe, and
    from `keys`, which are written in it."""

    kind: Literal["authorize-keys"] = "authorize-keys"
    user: str
    uid: int | None
    gid: int | None
    home: str
    sources: tuple[str, ...]
    keys: tuple[str, ...] = ()


class RemoveTraces(Step):
    """Remove and empty what each machine makes for itself; what is not there is no mistake.

    `removed` and `emptied` are paths, with `*` for any characters but `/`, and `/**` for every file below. `spared`:
    what the recipe wrote. `then_path`: a file to write where something was removed and one of `then_beside` is there.
    """

    kind: Literal["remove-traces"] = "remove-traces"
    name: str
    reason: str
    removed: tuple[str, ...]
    emptied: tuple[str, ...]
    spared: tuple[str, ...]
    then_path: str | None
    then_content: str
    then_beside: tuple[str, ...]


class RunScript(Step):
    """Run a program that stands beside the recipe inside the tree, with processes and mounts of its own."""

    kind: Literal["run-script"] = "run-script"
    source: str
    arguments: tuple[str, ...]
    environment: dict[str, str]
    network: bool
    timeout_seconds: float
    hostname: str
