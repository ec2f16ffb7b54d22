"""What a plan wants of the machine that carries it out, and whether this one has it: asked before any work."""

from __future__ import annotations

from imagebuild.plan.disk_vocabulary import MakeAndFill
from imagebuild.plan.steps import Plan


def check_machine(plan: Plan) -> None:
    """Raises HostError (what to do is in it) for a plan that cannot be carried out on this machine."""
    wanted = {step.type for step in plan.disk if isinstance(step, MakeAndFill)}
    if not wanted:
        return
    from imagebuild.host.cache import Cache  # dear to import, and most plans need nothing of it
    from imagebuild.host.mountable import check_mountable

    check_mountable(wanted, Cache())
