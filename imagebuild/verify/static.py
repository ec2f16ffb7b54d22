"""The machine that boots nothing: every check that can be made by reading the image.

`CHECKS` is the list: each has a name that stays, a sentence, and a function that yields what it found, one finding
for each thing that it looked at. A new check is a line here and a sabotaged image in the tests.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from imagebuild.errors import VerifyError
from imagebuild.events import Progress
from imagebuild.image.subject import Subject
from imagebuild.image.witness import machines_trouble
from imagebuild.report import Check, Outcome
from imagebuild.verify import (
    boot_code_checks,
    disk_checks,
    fstab_checks,
    identity_checks,
    init_checks,
    kernel_checks,
    kernel_update_checks,
    loader_checks,
    menu_checks,
    pygrub_checks,
    root_checks,
)
from imagebuild.verify.view import Finding, View, skipped
from imagebuild.vocabulary import DEFAULT_LOADER, BootLoader


@dataclass(frozen=True, slots=True)
class StaticCheck:
    """`about` says what must hold; `run` yields at least one finding.

    `of_entries`: it looks at the menu's entries, so what it finds of those that the loader does not start is a caution.
    """

    name: str
    run: Callable[[View], Iterable[Finding]]
    of_entries: bool = False

    @property
    def about(self) -> str:
        return (self.run.__doc__ or "").strip()


CHECKS: tuple[StaticCheck, ...] = (
    StaticCheck("partition-table", disk_checks.partition_table),
    StaticCheck("filesystem", disk_checks.filesystem),
    StaticCheck("loader-filesystem", disk_checks.loader_filesystem),
    StaticCheck("bios-code", boot_code_checks.bios_code_is_whole),
    StaticCheck("efi-code", boot_code_checks.efi_code_starts),
    StaticCheck("menu", menu_checks.menu),
    StaticCheck("boot-code-menu", boot_code_checks.boot_code_reads_menu),
    StaticCheck("menu-timeout", menu_checks.menu_timeout),
    StaticCheck("menu-default", menu_checks.menu_default),
    StaticCheck("menu-root", menu_checks.menu_root, of_entries=True),
    StaticCheck("boot-files", loader_checks.boot_files, of_entries=True),
    StaticCheck("loader-reads", loader_checks.loader_reads, of_entries=True),
    StaticCheck("holes", loader_checks.holes, of_entries=True),
    StaticCheck("kernel", kernel_checks.kernel, of_entries=True),
    StaticCheck("initrd", kernel_checks.initrd, of_entries=True),
    StaticCheck("kernel-initrd", kernel_checks.kernel_initrd, of_entries=True),
    StaticCheck("root-device", root_checks.root_device, of_entries=True),
    StaticCheck("console", root_checks.console, of_entries=True),
    StaticCheck("fstab", fstab_checks.fstab),
    StaticCheck("init", init_checks.init),
    StaticCheck("identity", identity_checks.identity),
    StaticCheck("kernel-updates", kernel_update_checks.kernel_updates),
    StaticCheck("stray-configuration", menu_checks.stray_configuration),
    StaticCheck("pygrub", pygrub_checks.pygrub),
)


@dataclass(frozen=True, slots=True)
class StaticResult:
    """`unheard`: of each check that a witness could not be heard for, its name and why. Then nothing is verified."""

    checks: tuple[Check, ...]
    unheard: tuple[str, ...] = ()


def run_static(
    subject: Subject, progress: Progress, loader: BootLoader = DEFAULT_LOADER, *, strict: bool = False
) -> StaticResult:
    """Run every check; `loader` is the one that the image is meant for: what its rules refuse is a failure.

    `strict`: a fallback that cannot start is a failure, too.
    Raises HostError when a program is missing that no check can do without.
    """
    return run_checks(View(subject, loader), progress, strict=strict)


def findings(check: StaticCheck, view: View, *, strict: bool = False) -> Iterator[Finding]:
    """What a check finds: of the entry that starts, and, as cautions, of those that the loader does not start.

    `strict`: the fallback has been asked for, so that what is wrong with it is a failure.
    """
    yield from check.run(view)
    beside = view.beside
    for finding in check.run(beside) if check.of_entries and beside.entries else ():
        if finding.outcome is Outcome.FAILED and not strict:
            yield Finding(Outcome.WARNED, finding.detail)
        elif finding.outcome is not Outcome.SKIPPED:
            yield finding


def run_checks(view: View, progress: Progress, *, strict: bool = False) -> StaticResult:
    """`run_static` for a subject that somebody else looks at, too: what is dear is then read once."""
    checks: list[Check] = []
    unheard: list[str] = []
    for check in CHECKS:
        begin = time.monotonic()
        for finding in _heard(check, view, unheard, strict=strict):
            seconds = round(time.monotonic() - begin, 3)
            checks.append(
                Check(
                    machine="static", name=check.name, outcome=finding.outcome, detail=finding.detail, seconds=seconds
                )
            )
            progress.log(f"static: {check.name}: {finding.outcome}: {finding.detail} ({seconds} s)")
            begin = time.monotonic()
    return StaticResult(tuple(checks), tuple(unheard))


def _heard(check: StaticCheck, view: View, unheard: list[str], *, strict: bool) -> Iterator[Finding]:
    """As `findings`; where this machine fails its witness, the last finding says that nothing was verified."""
    try:
        yield from findings(check, view, strict=strict)
        return
    except VerifyError as error:
        trouble = error.brief
    except OSError as error:
        if not (trouble := machines_trouble(error)):
            raise
    unheard.append(f"{check.name}: {trouble}")
    yield skipped(f"could not verify: {trouble}")
