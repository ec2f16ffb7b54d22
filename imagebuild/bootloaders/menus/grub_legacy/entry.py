"""Running one entry of GRUB 0.97's menu, line by line, until something starts, fails, waits, or cannot be judged.

Source: stage2/cmdline.c (run_script); the builtins are in `builtins.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from imagebuild.bootloaders.menus.grub_legacy.builtins import BUILTINS
from imagebuild.bootloaders.menus.grub_legacy.devices import Disks
from imagebuild.bootloaders.menus.grub_legacy.dialect import Place
from imagebuild.bootloaders.menus.grub_legacy.errors import BuiltinError, CannotJudgeError, error
from imagebuild.bootloaders.menus.grub_legacy.head import Config
from imagebuild.bootloaders.menus.grub_legacy.lines import command_word, skip_to
from imagebuild.bootloaders.menus.grub_legacy.machine import Boots, Halts, LoadsMenu, Machine, Waits
from imagebuild.bootloaders.menus.trace import End, Line, Run, Step


@dataclass(slots=True)
class EntryRun:
    """A run of one entry: its machine (root device, what is loaded), and the steps so far."""

    index: int
    machine: Machine
    steps: list[Step] = field(default_factory=list)
    loads_menu: LoadsMenu | None = None

    def ended(self, end: End, reason: str) -> Run:
        title = self.machine.config.entries[self.index].title
        other_menu = self.loads_menu.name if self.loads_menu else ""
        return Run(self.index, title, tuple(self.steps), end, reason, self.machine.loaded, other_menu)


def run_entry(config: Config, index: int, disks: Disks, menu_name: str) -> tuple[Run, EntryRun]:
    """Entry `index` of `config`; `menu_name` is the menu's own full name (savedefault's file lies beside it)."""
    entry = config.entries[index]
    run = EntryRun(index, Machine(disks, config, index, menu_name, disks.dialect.first_root))
    for line in entry.lines:
        ended = _step(run, line)
        if ended is not None:
            return ended, run
    if run.machine.has_kernel:
        ended = _step(run, None)
        assert ended is not None
        return ended, run
    return run.ended(End.WAITS_AT_MENU, "the entry ends, and no kernel is loaded: back to the menu"), run


def _step(run: EntryRun, line: Line | None) -> Run | None:
    """Run one line (None: the `boot` at the end); the run's end, or None when it goes on."""
    word = command_word(line.text) if line else "boot"
    argument = skip_to(line.text, after_equal=True) if line else ""
    run.machine.named = None
    try:
        if not run.machine.disks.dialect.commands[word] & Place.ENTRY:
            raise BuiltinError(27)
        done = BUILTINS[word](run.machine, argument)
    except BuiltinError as failed:
        step = Step(line, word, "fails", error=error(failed.number), file=run.machine.named)
        run.steps.append(step)
        return run.ended(End.FAILS, str(step))
    except CannotJudgeError as unknown:
        run.steps.append(Step(line, word, f"cannot be predicted: {unknown}", file=run.machine.named))
        return run.ended(End.UNKNOWN, f"{line.place if line else 'boot'}: `{word}`: {unknown}")
    run.steps.append(Step(line, word, done if isinstance(done, str) else done.words, file=run.machine.named))
    return None if isinstance(done, str) else _last(run, done, str(run.steps[-1]))


def _last(run: EntryRun, done: Boots | Halts | Waits | LoadsMenu, reason: str) -> Run | None:
    match done:
        case Boots():
            return run.ended(End.STARTS, reason)
        case Halts(end=end):
            return run.ended(end, reason)
        case Waits(asks=asks):
            # With somebody at the keyboard the entry goes on.
            return None if run.machine.disks.dialect.keyboard and not asks else run.ended(End.WAITS_FOR_KEY, reason)
        case LoadsMenu():
            run.loads_menu = done
            return run.ended(End.UNKNOWN, reason)
