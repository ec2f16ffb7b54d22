"""What a machine must be able to do for a recipe, in the words that workers advertise (engine.RESOURCES)."""

from __future__ import annotations

from imagebuild.errors import PlanError
from imagebuild.nightly.model import Options
from imagebuild.plan.disk_vocabulary import CreateLogicalVolume, CreateVolumeGroup, MakeAndFill
from imagebuild.plan.planner import make_plan, tree_source
from imagebuild.plan.steps import TakeImage
from imagebuild.recipe.load import LoadedRecipe
from imagebuild.vocabulary import MachineName


def machines_of(loaded: LoadedRecipe, options: Options) -> tuple[MachineName, ...]:
    """The machines that will verify the recipe's image."""
    verify = loaded.recipe.verify
    having: list[MachineName] = ["static"]
    having += ["qemu"] if verify.qemu else []
    having += ["xen"] if verify.xen else []
    return tuple(machine for machine in having if options.machines is None or machine in options.machines)


def needs_of(loaded: LoadedRecipe, machines: tuple[MachineName, ...]) -> tuple[str, ...]:
    """The resources beside "build". Raises PlanError for a recipe that no machine could make."""
    needs = [machine for machine in machines if machine != "static"]
    try:
        plan = make_plan(loaded.recipe, None)
    except PlanError as error:
        raise PlanError(f"{loaded.path}: {error.brief}", details=error.details, resolution=error.resolution) from None
    appliance = any(isinstance(step, (CreateVolumeGroup, CreateLogicalVolume, MakeAndFill)) for step in plan.disk)
    if appliance or isinstance(tree_source(loaded.recipe), TakeImage):
        needs.append("guestfs")  # type: ignore[arg-type]
    return tuple(needs)
