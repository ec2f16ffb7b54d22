"""`doctor`: what this machine can do, tried and not assumed."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Annotated

import typer

from imagebuild.cli.options import AsJson, Debug, PvGrub
from imagebuild.cli.output import say_json, say_text
from imagebuild.errors import OK, HostError

if TYPE_CHECKING:
    from imagebuild.cli.terminal import Segment
    from imagebuild.host.capabilities import Capability, State
    from imagebuild.operations.journal import Journal

_STYLE: dict[State, str] = {"ok": "green", "limited": "yellow", "lacking": "bold red"}


def doctor(
    context: typer.Context,
    prepare: Annotated[
        bool, typer.Option("--prepare", help="Build the Xen test host now (once; it stays in the cache).")
    ] = False,
    packages: Annotated[
        bool, typer.Option("--packages", help="Print only the command that installs the Debian packages.")
    ] = False,
    install: Annotated[bool, typer.Option("--install", help="Run that command (as root, or with sudo).")] = False,
    as_json: AsJson = False,
    pv_grub: PvGrub = None,
    debug: Debug = False,
) -> int:
    """Check what this machine can do, and name the Debian package for anything that is missing.

    doctor runs each thing instead of assuming it: it starts a guest under KVM and launches the appliance. Exit code 0:
    this machine can build and verify images; 4: something is missing.

    \b
    Examples:
      imagebuild doctor
      imagebuild doctor --prepare
      imagebuild doctor --packages   # the apt command; --install runs it
      imagebuild doctor --json | jq '.capabilities[] | {name, state}'
    """

    if packages or install:
        return _packages(install=install)

    from imagebuild.host.cache import Cache
    from imagebuild.operations.doctor import DoctorRequest, examine

    with progress_for(as_json=as_json) as progress:
        found = examine(DoctorRequest(prepare=prepare, pv_grub=pv_grub), Cache(), progress)
    return show(found, as_json=as_json)


def _packages(*, install: bool) -> int:
    """The line alone on stdout, for `sh -c "$(…)"`; what else is to be known on stderr."""
    import shlex
    import sys

    from imagebuild.operations.packages import install_packages, packages_here

    line, note = packages_here()
    if note:
        say_text(f"note: {note}", stream=sys.stderr)
    say_text(shlex.join(line))
    if install:
        install_packages(line)
    return OK


def progress_for(*, as_json: bool) -> AbstractContextManager[Journal]:
    """Progress goes where it is in nobody's way: above the table on a terminal, else to stderr."""
    import sys

    from imagebuild.cli.terminal import watching

    on_screen = sys.stdout.isatty() and not as_json
    return watching(sys.stdout if on_screen else sys.stderr, transient=True)


def show(found: Sequence[Capability], *, as_json: bool) -> int:
    """Print it; 0 (images can be built and verified here) or 4."""
    from imagebuild.cli.terminal import say
    from imagebuild.operations.doctor import lacking

    lacks = lacking(found)
    if as_json:
        say_json(_json(found, ready=not lacks))
    else:
        import shutil
        import sys

        say(_table(found, shutil.get_terminal_size().columns if sys.stdout.isatty() else 0))
        say([_conclusion(lacks)])
    return HostError.exit_code if lacks else OK


def _table(found: Sequence[Capability], columns: int) -> list[list[Segment]]:
    """A line for each, or several that break at words. `columns` 0: one, for a pipe."""
    width = max(len(item.name) for item in found)
    begin = " " * (9 + width + 2)
    lines: list[list[Segment]] = []
    for item in found:
        first, *rest = _wrapped(item.evidence, columns - len(begin) if columns else 0)
        lines.append([(f"{item.state:<8} ", _STYLE[item.state]), (f"{item.name:<{width}}  ", "bold"), (first, "")])
        if item.resolution and item.state != "ok":
            rest += _wrapped(f"what to do: {item.resolution}", columns - len(begin) if columns else 0)
        lines += [[(begin, ""), (line, "")] for line in rest]
    return lines


def _wrapped(text: str, width: int) -> list[str]:
    import textwrap

    if width <= 0:
        return [text]
    return textwrap.wrap(text, max(width, 20), break_long_words=False, break_on_hyphens=False) or [""]


def _conclusion(lacks: Sequence[Capability]) -> list[Segment]:
    if not lacks:
        return [("This machine can build and verify images.", "bold green")]
    names = ", ".join(item.name for item in lacks)
    return [(f"This machine cannot build and verify images yet. Missing: {names}.", "bold red")]


def _json(found: Sequence[Capability], *, ready: bool) -> str:
    import json
    from dataclasses import asdict

    from imagebuild import __version__

    document = {
        "imagebuild_version": __version__,
        "ready": ready,
        "capabilities": [asdict(item) for item in found],
    }
    return json.dumps(document, indent=2, ensure_ascii=False)
