"""What this machine's appliance lacks is said to be the machine's, not the image's."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from imagebuild.errors import BuildError, HostError
from imagebuild.events import Quiet
from imagebuild.plan.steps import TakeImage
from imagebuild.rootfs import image as module
from imagebuild.rootfs.image import ImageFile, take_tree


class Appliance:
    """Answers as libguestfs does for a disk with one filesystem, which its kernel has or has not."""

    def __init__(self, filesystem: str, *, available: bool) -> None:
        self.filesystem, self.available = filesystem, available

    def call(self, name: str, *_arguments: Any) -> Any:
        if name == "list_filesystems":
            return {"/dev/sda": self.filesystem}
        if name == "filesystem_available":
            return self.available
        assert name == "mount_ro", name
        raise BuildError("mount: unknown filesystem type")


@pytest.mark.parametrize(
    ("available", "root", "error", "message"),
    [
        (False, None, HostError, "cannot read reiserfs"),
        (False, "/dev/sda", HostError, "cannot read reiserfs"),
        (True, None, BuildError, "holds a root"),
    ],
)
def test_a_filesystem_that_the_appliance_lacks_is_this_machines_trouble(
    available: bool,
    root: str | None,
    error: type[Exception],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @contextlib.contextmanager
    def appliance(*_arguments: Any, **_named: Any) -> Iterator[Appliance]:
        yield Appliance("reiserfs", available=available)

    monkeypatch.setattr(module, "appliance", appliance)
    step = TakeImage(path="old.raw", sha256=None, root=root)
    with pytest.raises(error, match=message):
        take_tree(step, ImageFile(tmp_path / "old.raw", "raw", 2**20), tmp_path / "tree.tar", "tcg", Quiet())
