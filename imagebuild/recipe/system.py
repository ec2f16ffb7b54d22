"""The recipe's system section and its scripts: who can log in, and what is set up inside the image.

Decisions where the sketch of the format was silent:
- a user whose name the tree has already (root always is one) is not made anew: its keys, groups and password are added;
- of a new user the number is the first free one from 1000 (with `system: true` from 999 downwards); the group of its
  own has the user's name and, where that is free, its number;
- a user has no password unless the recipe says so, and can still log in with a key;
- grow_root and cloud_init want what they need in the tree itself: nothing is installed behind the recipe's back.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, SecretStr, Tag, model_validator

from imagebuild.recipe.rootfs import FileName
from imagebuild.recipe.units import Duration
from imagebuild.recipe.words import ImagePath, Model, text
from imagebuild.vocabulary import TraceName

# crypt(5): "$id$…". The old DES form (13 characters) is refused: Debian 12 still reads it, but it is broken.
_CRYPT = re.compile(r"^\$[0-9a-z]{1,3}\$[^\s:]+$")
# useradd(8), as Debian and Red Hat allow it; a trailing $ (Samba's machines) is left out.
AccountName = Annotated[
    str,
    text(
        r"^[a-z_][a-z0-9_-]{0,31}$",
        "a user or group has a name of lower case letters, digits, _ and -, 32 at most, that starts with a letter or _",
    ),
]


class Password(Model):
    """A password: its hash, or where the build finds the hash."""

    hash: SecretStr | None = None
    """A crypt(5) hash, such as `mkpasswd` prints."""
    env: (
        Annotated[str, text(r"^[A-Za-z_][A-Za-z0-9_]*$", "a variable of the environment has a name such as ROOT_PW")]
        | None
    ) = None
    """The environment variable that holds the hash when building."""
    file: str | None = None
    """The file that holds the hash when building."""

    @model_validator(mode="after")
    def _one_place(self) -> Password:
        if sum(value is not None for value in (self.hash, self.env, self.file)) != 1:
            raise ValueError("exactly one of hash, env and file is needed")
        if self.hash is not None and not _CRYPT.match(self.hash.get_secret_value()):
            raise ValueError("not a crypt(5) hash ($y$…, $6$…, $5$…): never put a plain password into a recipe")
        return self


class User(Model):
    """A user to create. A user that the tree already has (such as root) gets keys, groups and a password."""

    name: AccountName
    ssh_keys: tuple[FileName, ...] = ()
    """Public keys for ~/.ssh/authorized_keys: files (.pub) beside the recipe, or the keys themselves."""
    groups: tuple[AccountName, ...] = ()
    """Groups of the tree that the user joins, besides its own."""
    password: Password | None = None
    """Left out: no login with a password (keys still work)."""
    uid: Annotated[int, Field(ge=1, le=65533)] | None = None
    """Left out: the first free number from 1000; of a system user from 999 downwards."""
    shell: ImagePath | None = None
    """Left out: /bin/bash where the tree has it, else /bin/sh; of a system user nologin."""
    home: ImagePath | None = None
    """Left out: /home/NAME; a system user has none."""
    comment: (
        Annotated[str, text(r"^[^:\n\x00-\x1f]*$", "a comment is one line without a colon", max_length=200)] | None
    ) = None
    """The user's full name, for people."""
    system: bool = False
    """A service's user: low uid, no shell, no home unless given."""

    @property
    def made_with(self) -> tuple[str, ...]:
        """The keys that only mean something for a user that is made."""
        given = {"uid": self.uid, "shell": self.shell, "home": self.home, "comment": self.comment}
        return (*(name for name, value in given.items() if value is not None), *(["system"] if self.system else []))

    @model_validator(mode="after")
    def _sound(self) -> User:
        if self.name == "root" and self.made_with:
            raise ValueError(f"root is in every tree: {self.made_with[0]} cannot be changed, only ssh_keys, groups "
                             "and password")  # fmt: skip
        if self.system and self.home is None and self.ssh_keys:
            raise ValueError("a system user has no home for ssh_keys: give it one with home")
        if len(set(self.groups)) != len(self.groups):
            raise ValueError("a group is listed twice")
        return self


def _kind_of_meta_data(value: Any) -> str:
    return "keys" if isinstance(value, dict) else "file"


MetaData = Annotated[
    Annotated[FileName, Tag("file")] | Annotated[dict[str, str], Tag("keys")], Discriminator(_kind_of_meta_data)
]


class CloudInit(Model):
    """A NoCloud seed in /var/lib/cloud/seed/nocloud/, for an image with cloud-init in it."""

    user_data: FileName | None = None
    """A file beside the recipe: cloud-config (its first line is #cloud-config) or a script (#!)."""
    meta_data: MetaData | None = None
    """A YAML file, or the keys themselves. Left out: instance-id (the recipe's name) and local-hostname."""
    network_config: FileName | None = None
    """A YAML file: cloud-init's network configuration, version 1 or 2."""
    datasources: tuple[
        Annotated[str, text(r"^[A-Z][A-Za-z0-9]*$", "a datasource of cloud-init has a name such as NoCloud or Ec2")],
        ...,
    ] = ()
    """Where cloud-init looks, in this order, such as [NoCloud, None]. Left out: as the package says."""

    @model_validator(mode="after")
    def _some_seed(self) -> CloudInit:
        if self.user_data is None and self.meta_data is None and self.network_config is None:
            raise ValueError("at least one of user_data, meta_data and network_config is needed")
        return self


class System(Model):
    """Settings that most images need, written into the tree."""

    hostname: (
        Annotated[
            str,
            text(r"^[a-zA-Z0-9]([a-zA-Z0-9.-]{0,62})$", "a host name holds letters, digits, - and dots, 63 at most"),
        ]
        | None
    ) = None
    root_password: Password | None = None
    """Left out: root cannot log in with a password, as the tree's own /etc/shadow says."""
    users: tuple[User, ...] = ()
    """Users who can log in; the user root gets keys for root."""
    timezone: (
        Annotated[
            str,
            text(r"^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*$", "a time zone has a name such as Etc/UTC or Europe/Berlin"),
        ]
        | None
    ) = None
    """A name of the tz database, such as Etc/UTC. The tree needs the package tzdata."""
    grow_root: bool = False
    """The root filesystem fills a larger disk at the first boot (ext2, ext3, ext4, XFS, Btrfs; systemd)."""
    cloud_init: CloudInit | None = None
    keep: tuple[TraceName, ...] = ()
    """Machine-specific files to leave in the tree; imagebuild removes all others of these at the end."""
    remove: tuple[Literal["authorized-keys"], ...] = ()
    """Files to remove: authorized-keys are the keys in root's and other users' authorized_keys."""

    @model_validator(mode="after")
    def _one_word(self) -> System:
        names = [user.name for user in self.users]
        if twice := [name for name in names if names.count(name) > 1]:
            raise ValueError(f"users: {twice[0]} is listed twice")
        if self.root_password and any(user.name == "root" and user.password for user in self.users):
            raise ValueError("root has two passwords: root_password, and the one in users")
        return self


Argument = Annotated[str, text(r"^[^\x00-\x1f]*$", "an argument is one line, without control characters")]


class Script(Model):
    """A program to run as root inside the image's tree during the build; it must exit with 0.

    Scripts run in order, when files, users and everything else of `system` are there, before initrds are made and
    before the filesystems are. Each has processes, mounts and a host name of its own, /proc, a few devices, an empty
    /tmp and /run, and no /sys. What it prints goes to the build log.
    """

    run: FileName
    """The script beside the recipe; its first line (#!) names a program of the tree."""
    arguments: tuple[Argument, ...] = ()
    environment: dict[
        Annotated[str, text(r"^[A-Za-z_][A-Za-z0-9_]*$", "a variable has a name such as PROFILE")], Argument
    ] = Field(default_factory=dict)
    """Additional environment variables. Not for secrets: the plan shows them."""
    network: bool = False
    """Give it network access, with this machine's name servers and proxies."""
    timeout: Duration = timedelta(minutes=10)
    """Stop it after this time."""


def _short(value: Any) -> Any:
    return {"run": value} if isinstance(value, str) else value


ScriptOrName = Annotated[Script, BeforeValidator(_short, json_schema_input_type=str | Script)]
