"""What a plan wants of the machine that carries it out, and whether this one has it: asked before any work."""

from __future__ import annotations

from imagebuild.host import command
from imagebuild.host.fence.door import PACKAGE, PROGRAM
from imagebuild.host.fence.limits import limits_here
from imagebuild.plan.disk_vocabulary import MakeAndFill
from imagebuild.plan.steps import GenerateInitrd, IndexModules, Plan
from imagebuild.plan.system_vocabulary import RunScript


def check_machine(plan: Plan) -> None:
    """Raises HostError (what to do is in it) for a plan that cannot be carried out on this machine, UsageError."""
    check_fence(plan)
    wanted = {step.type for step in plan.disk if isinstance(step, MakeAndFill)}
    if not wanted:
        return
    from imagebuild.host.cache import Cache  # dear to import, and most plans need nothing of it
    from imagebuild.host.mountable import check_mountable

    check_mountable(wanted, Cache())


def check_fence(plan: Plan) -> None:
    """Raises HostError where programs of the tree are to run and nothing holds them, UsageError for wrong limits."""
    limits_here()
    if any(isinstance(edit, RunScript | GenerateInitrd | IndexModules) for edit in plan.edits):
        command.require(PROGRAM, PACKAGE)
