"""`init`: each answer meets its check at once, and what is written can be planned."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import pytest

from imagebuild.errors import UsageError
from imagebuild.events import Quiet
from imagebuild.host.cache import Cache
from imagebuild.operations.init import InitRequest, Written, write_recipe
from imagebuild.operations.init_questions import Question
from imagebuild.recipe.load import load_recipe

BLOB = base64.b64encode(b"\0\0\0\x0bssh-ed25519" + b"\0\0\0\x20" + bytes(range(32))).decode()
KEY = f"ssh-ed25519 {BLOB} ada@desk"


class Person:
    """Gives answers by the questions' options; remembers what was refused, and then gives the next one."""

    def __init__(self, **answers: list[str]) -> None:
        self._answers = answers
        self.asked: list[Question] = []
        self.refused: list[str] = []

    def __call__(self, question: Question, check: Callable[[str], str]) -> str:
        self.asked.append(question)
        waiting = self._answers.get(question.option.removeprefix("--").replace("-", "_"), [""])
        for answer in waiting:
            try:
                return check(answer or question.default)
            except ValueError as error:
                self.refused.append(str(error))
        raise AssertionError(f"{question.option}: nothing was accepted of {waiting}: {self.refused}")


def written(folder: Path, person: Person, **options: object) -> Written:
    request = InitRequest(path=folder / "web.yaml", **options)  # type: ignore[arg-type]  # a test's own words
    return write_recipe(request, person, Cache(folder / "cache"), Quiet())


def test_defaults(tmp_path: Path) -> None:
    person = Person()
    made = written(tmp_path, person)
    assert (made.path, made.key, made.trouble) == (tmp_path / "web.yaml", None, None)
    assert [question.option for question in person.asked] == [
        "--name", "--suite", "--layout", "--filesystem", "--size", "--hostname", "--user",
    ]  # fmt: skip
    assert all("\n" in question.reason for question in person.asked if question.option == "--layout")


def test_wrong_answers_are_asked_again_at_once(tmp_path: Path) -> None:
    private = tmp_path / "id_ed25519"
    private.write_text("-----BEGIN OPENSSH PRIVATE KEY-----\n")
    person = Person(
        layout=["hd", "hd000", "hd00"], lvm=["maybe", "y"], filesystem=["ext5", "xfs"], size=["big", "4GiB"],
        hostname=["a b", "www"], user=["Ada", "ada"], ssh_key=["", "nothing.pub", str(private), KEY],
    )  # fmt: skip
    made = written(tmp_path, person)
    assert len(person.refused) == 10, person.refused
    assert "enter hd0 or hd00" in person.refused[0]
    assert "found 'big'; a size is a number with a unit" in "\n".join(person.refused)
    assert any("PRIVATE key" in line for line in person.refused)
    assert any("found 'Ada'; a user or group has a name" in line for line in person.refused)
    assert made.key == tmp_path / "web.pub"
    assert made.key.read_text() == f"{KEY}\n"
    recipe = load_recipe(tmp_path / "web.yaml").recipe
    assert (recipe.system.hostname, recipe.disk.layout, recipe.boot.repack) == ("www", "hd00", "auto")
    assert [(user.name, user.ssh_keys) for user in recipe.system.users] == [("ada", ("web.pub",))]
    assert recipe.rootfs.debian is not None
    assert "openssh-server" in recipe.rootfs.debian.packages


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"size": "big"}, "--size: found 'big'"),
        ({"hostname": "a b"}, "--hostname: found 'a b'; a host name holds"),
        ({"suite": "Trixie!"}, "--suite: found 'Trixie!'"),
        ({"user": "ada", "ssh_key": "rubbish rubbish"}, "--ssh-key: line 1 is not an OpenSSH public key"),
        ({"lvm": True, "layout": "hd0"}, "--lvm: LVM needs a partition table"),
    ],
)
def test_a_wrong_option_is_refused(tmp_path: Path, options: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        written(tmp_path, Person(), **options)
    assert words in str(caught.value.problems[0])
    assert not (tmp_path / "web.yaml").exists()


def test_an_older_key_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "web.pub").write_text("mine")
    with pytest.raises(UsageError, match="1 problem"):
        written(tmp_path, Person(), user="ada", ssh_key=KEY)
    assert (tmp_path / "web.pub").read_text() == "mine"
