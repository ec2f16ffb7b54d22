"""What kinds of Xen guests differ in: the processor that QEMU gives to Xen, the guest's configuration, the log.

The one place for that: who needs another kind (a 32-bit guest in a shim) adds a row.

Sources: PV was measured (the processor without global pages); PVH was tried on a machine without KVM: TCG emulates SVM
with nested paging, and Xen 4.17 then runs PVH guests (`+svm,+npt`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from imagebuild.verify.machine import CPU
from imagebuild.vocabulary import Accelerator, MachineName

_PV_CPUS: Mapping[Accelerator, str] = {"tcg": f"{CPU},-pge", "kvm": CPU}


@dataclass(frozen=True, slots=True)
class GuestKind:
    """`type`: xl.cfg(5)'s word. `machine`: which of the machines that judge boots it. `cpus`: QEMU's, by accelerator.

    `always_emulated`: never under KVM, whose nested virtualisation no machine promises. `more_memory_bytes`: what Xen
    takes for such a guest beside the guest's own. `settings`: more lines of xl.cfg(5).
    """

    type: Literal["pv", "pvh"]
    machine: MachineName
    cpus: Mapping[Accelerator, str]
    always_emulated: bool = False
    more_memory_bytes: int = 0
    settings: tuple[str, ...] = field(default=())

    @property
    def console_log(self) -> str:
        return f"console-{self.machine}.log"

    @property
    def fallback_console_log(self) -> str:
        return f"console-{self.machine}-fallback.log"

    def accelerator(self, possible: Accelerator) -> Accelerator:
        return "tcg" if self.always_emulated else possible


# A PV guest loads CR3 at every system call and switch, and TCG then forgets all translations and looks its code up
# anew. Without global pages Xen changes CR3 only, where it otherwise changes CR4 twice as well (the gain: verified.md).
PV = GuestKind(
    "pv", "xen", _PV_CPUS,
    # Else Xen emulates rdtsc on a processor whose TSC it does not trust, and a kernel that randomizes its stack says
    # rdtsc at each return from a system call.
    settings=('tsc_mode="native"',),
)  # fmt: skip
PVH = GuestKind(
    "pvh", "pvh", {"tcg": f"{CPU},+svm,+npt", "kvm": f"{CPU},+svm,+npt"},
    always_emulated=True, more_memory_bytes=64 * 2**20,
)  # fmt: skip
