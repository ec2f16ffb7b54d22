"""What `system` and `scripts` ask for, as edits: host name, time zone, users, cloud-init's seed, growing the root."""

from __future__ import annotations

import json
from collections.abc import Iterator

from imagebuild.errors import PlanError
from imagebuild.plan.accounts import account_edits, account_notes, password_edits
from imagebuild.plan.areas import DiskModel
from imagebuild.plan.facts import TreeFacts
from imagebuild.plan.grow import grow_edits
from imagebuild.plan.hosts import completed_hosts
from imagebuild.plan.steps import CopyFile, Edit, MakeLink, WriteFile
from imagebuild.plan.system_vocabulary import RunScript
from imagebuild.plan.tools import CLOUD_INIT, place_of
from imagebuild.plan.volume_groups import activation_edits
from imagebuild.recipe.model import CloudInit, Recipe

_SEED = "/var/lib/cloud/seed/nocloud"
_DATASOURCES_PATH = "/etc/cloud/cloud.cfg.d/99-imagebuild.cfg"


def name_edits(recipe: Recipe) -> list[Edit]:
    """Host name and time zone."""
    edits: list[Edit] = []
    if recipe.system.hostname is not None:
        edits.append(WriteFile(path="/etc/hostname", content=recipe.system.hostname + "\n"))
    if (zone := recipe.system.timezone) is not None:
        edits.append(WriteFile(path="/etc/timezone", content=zone + "\n"))
        edits.append(MakeLink(path="/etc/localtime", target=f"/usr/share/zoneinfo/{zone}"))
    return edits


def hosts_edits(recipe: Recipe, facts: TreeFacts | None) -> list[Edit]:
    """localhost and the host's own name in /etc/hosts, unless the recipe brings its own."""
    if any(file.path == "/etc/hosts" for file in recipe.files):
        return []
    text = completed_hosts(facts.hosts if facts else None, recipe.system.hostname)
    return [WriteFile(path="/etc/hosts", content=text)] if text is not None else []


def user_edits(recipe: Recipe, facts: TreeFacts | None) -> list[Edit]:
    """Users come first of all: what the recipe puts into a home finds it there. Raises PlanError."""
    return [*account_edits(recipe, facts), *password_edits(recipe)]


def setup_edits(recipe: Recipe, disk: DiskModel, facts: TreeFacts | None) -> list[Edit]:
    """What is to be done at the first boot, or at each. Raises PlanError."""
    edits: list[Edit] = []
    if recipe.system.cloud_init is not None:
        edits += _seed(recipe, recipe.system.cloud_init, facts)
    if recipe.system.grow_root:
        edits += grow_edits(disk, facts)
    return edits + activation_edits(disk, facts)


def script_edits(recipe: Recipe) -> list[Edit]:
    return [
        RunScript(
            source=script.run,
            arguments=script.arguments,
            environment=script.environment,
            network=script.network,
            timeout_seconds=script.timeout.total_seconds(),
            hostname=recipe.system.hostname or "localhost",
        )
        for script in recipe.scripts
    ]


def system_notes(recipe: Recipe, facts: TreeFacts | None) -> Iterator[str]:
    """What whoever boots the image, or waits for it to be built, has to know."""
    yield from account_notes(recipe, facts)
    if recipe.scripts and recipe.disk.size is None:
        yield "what scripts add is not counted when the disk's size is computed: it has to fit into disk.free"


def _seed(recipe: Recipe, wanted: CloudInit, facts: TreeFacts | None) -> list[Edit]:
    """cloud-init's NoCloud datasource: meta-data and user-data have to be there, each at least empty."""
    if facts is not None and place_of(CLOUD_INIT, facts) is None:
        raise PlanError(
            "system.cloud_init",
            "the tree has no cloud-init, which would read it",
            resolution=f"install in the tree: {CLOUD_INIT.package}",
        )
    edits: list[Edit] = []
    if isinstance(wanted.meta_data, str):
        edits.append(CopyFile(source=wanted.meta_data, path=f"{_SEED}/meta-data"))
    else:
        content = _yaml({**_meta_data(recipe), **(wanted.meta_data or {})})
        edits.append(WriteFile(path=f"{_SEED}/meta-data", content=content))
    if wanted.user_data is not None:
        # It may hold the hash of a password.
        edits.append(CopyFile(source=wanted.user_data, path=f"{_SEED}/user-data", mode=0o600))
    else:
        edits.append(WriteFile(path=f"{_SEED}/user-data", content="#cloud-config\n{}\n", mode=0o600))
    if wanted.network_config is not None:
        edits.append(CopyFile(source=wanted.network_config, path=f"{_SEED}/network-config", mode=0o600))
    if wanted.datasources:
        content = f"# Written by imagebuild (system.cloud_init).\ndatasource_list: [{', '.join(wanted.datasources)}]\n"
        edits.append(WriteFile(path=_DATASOURCES_PATH, content=content))
    return edits


def _meta_data(recipe: Recipe) -> dict[str, str]:
    names = {"local-hostname": recipe.system.hostname} if recipe.system.hostname else {}
    return {"instance-id": recipe.name, **names}


def _yaml(content: dict[str, str]) -> str:
    """JSON's texts are YAML's, too."""
    return "".join(f"{json.dumps(key)}: {json.dumps(value)}\n" for key, value in content.items())
