"""Users: numbers, groups, homes, keys and passwords, from the recipe and the tree's own /etc/passwd and group."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from imagebuild.errors import PlanError
from imagebuild.plan.facts import Account, TreeFacts
from imagebuild.plan.steps import Edit, SetPassword
from imagebuild.plan.system_vocabulary import AddUser, AuthorizeKeys, JoinGroups
from imagebuild.plan.tools import BASH, NOLOGIN, SSHD, SUDO, package_of, place_of
from imagebuild.recipe.model import Password, Recipe, User
from imagebuild.recipe.nearest import did_you_mean
from imagebuild.recipe.public_keys import is_written_out

ROOT_PASSWORD_SECRET = "system.root_password"
# login.defs(5), as the families ship it today. Free numbers are taken in this order.
_PEOPLE = range(1000, 60000)
_SERVICES = range(999, 99, -1)
_ACCOUNT_FILES = ("/etc/passwd", "/etc/shadow", "/etc/group", "/etc/gshadow")
_ROOT = Account(name="root", uid=0, gid=0, home="/root")
_DAY_SECONDS = 86400
_ADMINISTRATORS = ("sudo", "wheel")


@dataclass(frozen=True, slots=True)
class PasswordOf:
    """A password of the recipe: whose, the name that the plan uses for it, and its key in the recipe."""

    user: str
    secret: str
    key: str
    password: Password


def passwords(recipe: Recipe) -> tuple[PasswordOf, ...]:
    """Every password that a build has to find before it begins."""
    found = []
    if recipe.system.root_password is not None:
        found.append(PasswordOf("root", ROOT_PASSWORD_SECRET, ROOT_PASSWORD_SECRET, recipe.system.root_password))
    for index, user in enumerate(recipe.system.users):
        if user.password is not None:
            key = f"system.users.{index}.password"
            found.append(PasswordOf(user.name, f"system.users.{user.name}.password", key, user.password))
    return tuple(found)


def password_edits(recipe: Recipe) -> list[Edit]:
    return [SetPassword(user=item.user, secret=item.secret) for item in passwords(recipe)]


def account_edits(recipe: Recipe, facts: TreeFacts | None) -> list[Edit]:
    """The steps for all users, new ones first: a group may be another new user's own.

    Without the tree their numbers are left open. Raises PlanError.
    """
    _check_files(recipe)
    numbers = _Numbers.of(recipe, facts)
    new: list[Edit] = []
    more: list[Edit] = []
    for index, user in enumerate(recipe.system.users):
        account = _existing(user, f"system.users.{index}", facts)
        if account is None:
            added = _added(user, facts, numbers)
            new.append(added)
            uid, gid, home = added.uid, added.gid, added.home
        else:
            uid, gid, home = account.uid, account.gid, account.home
        if user.groups:
            _check_groups(user, f"system.users.{index}", recipe, facts)
            more.append(JoinGroups(user=user.name, groups=user.groups))
        if user.ssh_keys:
            keys = tuple(key.strip() for key in user.ssh_keys if is_written_out(key))
            sources = tuple(key for key in user.ssh_keys if not is_written_out(key))
            more.append(AuthorizeKeys(user=user.name, uid=uid, gid=gid, home=home, sources=sources, keys=keys))
    return [*new, *more]


def account_notes(recipe: Recipe, facts: TreeFacts | None) -> Iterator[str]:
    """What is allowed, and does not do what it seems to."""
    users = recipe.system.users
    if facts is None:
        return
    if any(user.ssh_keys for user in users) and place_of(SSHD, facts) is None:
        yield f"the tree has no ssh server (package {package_of(SSHD, facts)}): nobody can log in with the ssh_keys"
    for user in users:
        for group in _ADMINISTRATORS:
            if group in user.groups and place_of(SUDO, facts) is None:
                yield f"{user.name} is in the group {group}, but the tree has no sudo (package sudo)"


def _check_files(recipe: Recipe) -> None:
    for index, file in enumerate(recipe.files):
        if recipe.system.users and file.path in _ACCOUNT_FILES:
            raise PlanError(
                f"files.{index}",
                f"{file.path} would replace what system.users adds to it",
                resolution="remove it, or leave system.users out",
            )


def _existing(user: User, key: str, facts: TreeFacts | None) -> Account | None:
    """The tree's own account of that name. Raises PlanError when the recipe would have it made otherwise."""
    known = {account.name: account for account in facts.accounts} if facts else {}
    account = known.get(user.name, _ROOT if user.name == "root" else None)
    if account is not None and user.made_with:
        raise PlanError(
            f"{key}.{user.made_with[0]}",
            f"the tree has a user {user.name} already (uid {account.uid}, home {account.home}), which is not changed",
            resolution="leave it out, and ssh_keys, groups and password are added to that user; or choose another name",
        )
    groups = {group.name for group in facts.groups} if facts else set()
    if account is None and user.name in groups:
        raise PlanError(
            f"{key}.name",
            f"the tree has a group {user.name} already, and a new user gets a group of its own name",
            resolution="choose another name",
        )
    return account


def _check_groups(user: User, key: str, recipe: Recipe, facts: TreeFacts | None) -> None:
    if facts is None:
        return
    known = [group.name for group in facts.groups] + [other.name for other in recipe.system.users]
    for index, group in enumerate(user.groups):
        if group not in known:
            raise PlanError(
                f"{key}.groups.{index}",
                f"the tree has no group {group}{did_you_mean(group, known)}",
                resolution="install the package that makes it, or name one of these: " + ", ".join(sorted(set(known))),
            )


@dataclass(slots=True)
class _Numbers:
    """Which numbers are taken, by whom; explicit ones of the whole recipe first."""

    users: dict[int, str] = field(default_factory=dict)
    groups: dict[int, str] = field(default_factory=dict)

    @classmethod
    def of(cls, recipe: Recipe, facts: TreeFacts | None) -> _Numbers:
        found = cls()
        if facts:
            found.users = {account.uid: account.name for account in facts.accounts}
            found.groups = {group.gid: group.name for group in facts.groups}
        for index, user in enumerate(recipe.system.users):
            if user.uid is None:
                continue
            if (other := found.users.get(user.uid)) is not None and other != user.name:
                raise PlanError(
                    f"system.users.{index}.uid",
                    f"{user.uid} is {other}'s number",
                    resolution="choose another, or leave it out: the first free one is used",
                )
            found.users[user.uid] = user.name
        return found

    def uid(self, user: User) -> int:
        number = user.uid or next(number for number in _range(user) if number not in self.users)
        self.users[number] = user.name
        return int(number)

    def gid(self, user: User, uid: int) -> int:
        number = next(number for number in [uid, *_range(user)] if number not in self.groups)
        self.groups[number] = user.name
        return int(number)


def _range(user: User) -> range:
    return _SERVICES if user.system else _PEOPLE


def _added(user: User, facts: TreeFacts | None, numbers: _Numbers) -> AddUser:
    uid = numbers.uid(user) if facts else user.uid
    return AddUser(
        name=user.name,
        uid=uid,
        gid=numbers.gid(user, uid) if facts and uid is not None else None,
        home=user.home or ("/nonexistent" if user.system else f"/home/{user.name}"),
        make_home=user.home is not None or not user.system,
        shell=user.shell or _shell(user, facts),
        comment=user.comment or "",
        changed_day=facts.epoch // _DAY_SECONDS if facts else None,
    )


def _shell(user: User, facts: TreeFacts | None) -> str:
    if user.system:
        return (place_of(NOLOGIN, facts) if facts else None) or "/usr/sbin/nologin"
    return "/bin/bash" if facts is None or place_of(BASH, facts) else "/bin/sh"
