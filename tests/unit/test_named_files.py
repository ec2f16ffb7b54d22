"""Every way by which a recipe, an index or the command line names a file: what is none is an error of ours, at once.

What stands in its place: a pipe, a device, a file of /proc, a directory.

The readers run in a process of their own with a limit, because the fault looked for is one that waits for ever.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

_SECONDS = 120  # for the interpreter's start on a busy machine; what waits, waits for ever
_DIGEST = "0" * 64
_MARKER = '{"imageLayoutVersion": "1.0.0"}'
_INDEX = f'{{"manifests": [{{"digest": "sha256:{_DIGEST}", "size": 1}}]}}'
_HEAD = """
import sys
from pathlib import Path
from imagebuild.errors import ImagebuildError
path, layouts = Path(sys.argv[1]), Path(sys.argv[2])
def oci(name):
    from imagebuild.plan.steps import TakeOci
    from imagebuild.rootfs.oci import find_image
    find_image(TakeOci(path="", tag=None, architecture="x86_64"), layouts / name)
"""
_CALL = """
try:
    {call}
    print("{name}: nothing")
except ImagebuildError as error:
    print("{name}:", type(error).__name__, error.brief, error.details, *map(str, getattr(error, "problems", ())))
"""
# What reads the file at `path`, each as the verb that takes it does.
CALLS = {
    "archive": "from imagebuild.rootfs.archive import opened\n    with opened(path) as members: list(members)",
    "digest": "from imagebuild.rootfs.tree import _pinned_sha256\n    from imagebuild.host.cache import Cache\n"
    "    _pinned_sha256('rootfs.tar', path.name, None, path.parent, Cache(path.parent / 'cache'))",
    "kernel": "from imagebuild.rootfs.kernel_files import _content\n    _content(path)",
    "image as a tree": "from imagebuild.rootfs.image import examine\n    examine(path)",
    "image to verify": "from imagebuild.operations.input_file import check_file\n    check_file(path, 'image')",
    "manifest": "from imagebuild.publish.ec2.unbundle import open_manifest\n    open_manifest(path)",
    "key": "from imagebuild.publish.ec2.keys import load_private_key\n    load_private_key(path)",
    "certificate": "from imagebuild.publish.ec2.keys import load_certificate\n    load_certificate(path)",
    "image to bundle": "from imagebuild.publish.ec2.bundle import _opened\n    with _opened(path): pass",
    "image to publish": "from imagebuild.publish.ec2.gate import look_at\n    look_at(path)",
    "lock": "from imagebuild.recipe.lock import read_lock\n    read_lock(path.with_suffix('.yaml'))",
    "recipe": "from imagebuild.recipe.load import load_recipe\n    load_recipe(path, {})",
    "oci marker": "oci('marker')",
    "oci index": "oci('index')",
    "oci blob": "oci('blob')",
}


def odd_file(path: Path, kind: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "device":
            path.symlink_to("/dev/zero")
        case "proc":
            path.symlink_to("/proc/self/status")
        case "directory":
            path.mkdir()
        case _:
            raise AssertionError(kind)


def odd_layouts(folder: Path, kind: str) -> Path:
    """Three OCI layouts, in each of which another file is the odd one."""
    for name, odd in (("marker", "oci-layout"), ("index", "index.json"), ("blob", f"blobs/sha256/{_DIGEST}")):
        odd_file(folder / name / odd, kind)
        for file, content in (("oci-layout", _MARKER), ("index.json", _INDEX)):
            if file != odd:
                (folder / name / file).write_text(content)
    return folder


@pytest.mark.parametrize("kind", ["pipe", "device", "proc", "directory"])
def test_no_reader_waits(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "odd.lock"
    odd_file(path, kind)
    program = _HEAD + "".join(_CALL.format(name=name, call=call) for name, call in CALLS.items())
    argv = [sys.executable, "-c", program, str(path), str(odd_layouts(tmp_path / "layouts", kind))]
    ended = subprocess.run(argv, capture_output=True, text=True, timeout=_SECONDS, check=False)
    assert ended.returncode == 0, ended.stderr
    for name in CALLS:
        said = next(line for line in ended.stdout.splitlines() if line.startswith(f"{name}: "))
        assert "Error" in said, said
        assert any(words in said for words in ("is a ", "of the kernel's", "found a ")), said
