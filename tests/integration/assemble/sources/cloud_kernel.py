"""An image of the smallest recipe's tree, with Debian's cloud kernel brought along as a package."""

from __future__ import annotations

import subprocess
from pathlib import Path

from imagebuild.events import Quiet
from imagebuild.host.cache import Cache
from imagebuild.operations.image import build_image
from imagebuild.plan.steps import Plan
from imagebuild.recipe.load import load_recipe

SMALLEST = Path(__file__).parents[4] / "recipes" / "debian-12-hd0.yaml"


def download_cloud_kernel(folder: Path) -> Path:
    """The package of the newest cloud kernel, from the machine's own apt sources."""
    depends = subprocess.check_output(["apt-cache", "depends", "linux-image-cloud-amd64"], text=True)
    name = next(line.split()[-1] for line in depends.splitlines() if "Depends: linux-image-" in line)
    subprocess.run(["apt-get", "download", "-qq", name], cwd=folder, check=True, capture_output=True)
    [package] = folder.glob("linux-image-*.deb")
    return package


def build_cloud_image(folder: Path, cache: Cache, more: str = "") -> tuple[Path, Plan]:
    """`more`: other entries of boot.kernels, one YAML item a line."""
    package = download_cloud_kernel(folder)
    recipe = folder / "cloud.yaml"
    recipe.write_text(
        f"include: [{SMALLEST}]\nname: cloud\nboot:\n  repack: gzip\n  kernels:\n    - {{deb: {package.name}}}\n{more}"
    )
    image = folder / "cloud.raw"
    built = build_image(load_recipe(recipe), image, cache=cache, progress=Quiet(), secrets={})
    return image, built.plan
