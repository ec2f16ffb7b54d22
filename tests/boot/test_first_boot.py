"""What is done at the first boot: an image on a larger disk grows, once, and can still be read by its boot loader."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import pytest

from imagebuild.events import Quiet
from imagebuild.host import command
from imagebuild.host.acceleration import accelerator
from imagebuild.host.cache import Cache
from imagebuild.operations.image import build_image
from imagebuild.plan.grow import DONE_PATH
from imagebuild.recipe.load import load_recipe
from imagebuild.report import Outcome
from imagebuild.verify.machine import base_arguments, machine, option_value
from imagebuild.verify.runner import Request, verify_image
from tests.boot.conftest import RECIPE, read_file

pytestmark = [pytest.mark.boot, pytest.mark.needs("mmdebstrap", "namespace", "e2fsprogs", "qemu", "testhost")]

MORE_BYTES = 512 * 2**20
LIMIT_SECONDS = 900
# The tree of the good image; what is new is done to its copy.
ADDED = """\
include: [{recipe}]
name: grows
system:
  grow_root: true
  users: [{{name: admin, groups: [adm]}}]
scripts: [setup.sh]
"""


def test_the_root_fills_a_larger_disk(user_cache: Cache, tmp_path: Path, output: Path) -> None:
    (tmp_path / "recipe.yaml").write_text(ADDED.format(recipe=os.path.relpath(RECIPE, tmp_path)))
    (tmp_path / "setup.sh").write_text("#!/bin/sh\nid -nG admin > /etc/issue.admin\n")
    image = tmp_path / "grows.raw"
    built = build_image(load_recipe(tmp_path / "recipe.yaml"), image, cache=user_cache, progress=Quiet(), secrets={})
    assert read_file(image, "/etc/issue.admin", tmp_path) == b"admin adm\n"
    before = blocks(image)
    with image.open("r+b") as file:
        file.truncate(image.stat().st_size + MORE_BYTES)

    entry = built.plan.entries[0]
    assert entry.initrd is not None
    for role, path in (("kernel", entry.kernel), ("initrd", entry.initrd)):
        (tmp_path / role).write_bytes(read_file(image, path, tmp_path))
    command_line = re.search(r"^kernel \S+ (.*)$", built.plan.menu, re.MULTILINE)
    assert command_line
    words = ["-kernel", str(tmp_path / "kernel"), "-initrd", option_value(tmp_path / "initrd")]
    words += ["-append", f"{command_line[1]} console=ttyS0", "-device", "virtio-blk-pci,drive=image"]
    words += ["-drive", f"if=none,id=image,file={option_value(image)},format=raw,cache=unsafe"]
    console = boot_until_login([*base_arguments(accelerator(user_cache), 1, 512 * 2**20), *words])

    assert "imagebuild: the root filesystem has" in console
    command.run(["e2fsck", "-fn", str(image)], doing="checking the grown filesystem")
    assert blocks(image) == before + MORE_BYTES // 4096 == image.stat().st_size // 4096
    assert read_file(image, DONE_PATH, tmp_path) == b""
    found = verify_image(Request(image, output, ("static",)), cache=user_cache, progress=Quiet())
    assert [check for check in found.checks if check.outcome is Outcome.FAILED] == []


def boot_until_login(words: list[str]) -> str:
    """What the console said, until the machine, told to after its prompt, has switched itself off."""
    heard = b""
    told = False
    deadline = time.monotonic() + LIMIT_SECONDS
    with machine(words) as running:
        while (data := running.hear()) is not None:
            heard += data
            if not told and b"login:" in heard:
                running.execute("system_powerdown")
                told = True
            if time.monotonic() > deadline:
                pytest.fail("it did not end in time:\n" + heard[-4000:].decode("utf-8", "replace"))
    return heard.decode("utf-8", "replace")


def blocks(image: Path) -> int:
    output = command.run(["dumpe2fs", "-h", str(image)], doing="reading the superblock")
    found = re.search(r"^Block count:\s+(\d+)$", output, re.MULTILINE)
    assert found
    return int(found[1])
