"""What a file must hold that the recipe names: public keys, scripts, cloud-init's seed. The rest is not read here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from imagebuild.recipe.named_file import read_named
from imagebuild.recipe.public_keys import public_keys

_MOST_BYTES = 2**20
_CLOUD_CONFIG = "#cloud-config"


def content_problem(key: str, path: Path) -> str | None:
    """What is wrong with the content of the file at the recipe's `key` (indexes as *); None: nothing."""
    check = _CHECKS.get(key)
    if check is None:
        return None
    try:
        content = read_named(path, _MOST_BYTES)
    except OSError as error:
        return f"{path} cannot be read: {error.strerror}"
    try:
        check(content)
    except ValueError as error:
        return str(error)
    return None


def check_script(content: bytes) -> None:
    """Raises ValueError for what Linux could not run (execve(2))."""
    first = content[:256].split(b"\n")[0]
    if first.startswith(b"\x7fELF"):
        return
    if not first.startswith(b"#!"):
        raise ValueError("a script starts with #! and the program that runs it, such as #!/bin/sh")
    if first.endswith(b"\r"):
        raise ValueError("it has Windows line ends, so its program's name is wrong: save it with Unix line ends")
    if not first[2:].strip().startswith(b"/"):
        raise ValueError("after #! comes a program with its full path, such as #!/bin/sh")


def check_user_data(content: bytes) -> None:
    """Raises ValueError for what cloud-init would pass over: it goes by the first line."""
    first = content.split(b"\n")[0].rstrip().decode("utf-8", "replace")
    if first.startswith("#!"):
        return
    if first != _CLOUD_CONFIG:
        raise ValueError(f"its first line is neither {_CLOUD_CONFIG} nor #! with a program: cloud-init would ignore it")
    if not isinstance(_yaml(content), dict):
        raise ValueError(f"a YAML mapping must follow {_CLOUD_CONFIG}")


def written_key_problem(value: str) -> str | None:
    """What is wrong with a public key that is written in the recipe; None: nothing."""
    try:
        keys = public_keys(value.encode())
    except ValueError as error:
        return f"found a key; {error}"
    return None if len(keys) == 1 else f"found {len(keys)} keys in one; write each as an item of its own"


def check_meta_data(content: bytes) -> None:
    """Raises ValueError for what is no mapping with an instance-id, which the seed needs."""
    found = _yaml(content)
    if not isinstance(found, dict) or "instance-id" not in found:
        raise ValueError("a YAML mapping with instance-id is needed")


def check_network_config(content: bytes) -> None:
    """Raises ValueError for what is no network configuration of version 1 or 2."""
    found = _yaml(content)
    inner = found.get("network", found) if isinstance(found, dict) else None
    if not isinstance(inner, dict) or inner.get("version") not in (1, 2):
        raise ValueError("a YAML mapping with version: 1 or version: 2 is needed")


def _yaml(content: bytes) -> Any:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    if len(content) > _MOST_BYTES:
        raise ValueError("it is larger than 1 MiB")
    try:
        return YAML(typ="safe", pure=True).load(content.decode("utf-8"))
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise ValueError(f"not YAML{where}: {error.problem or 'it cannot be read'}") from None
    except (YAMLError, ValueError, OverflowError, RecursionError):
        raise ValueError("not YAML in UTF-8") from None


_CHECKS: dict[str, Callable[[bytes], object]] = {
    "system.users.*.ssh_keys.*": public_keys,
    "system.cloud_init.user_data": check_user_data,
    "system.cloud_init.meta_data": check_meta_data,
    "system.cloud_init.network_config": check_network_config,
    "scripts.*": check_script,
    "scripts.*.run": check_script,
}
