"""`doctor`: what this machine can do, tried and not assumed."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Annotated

import typer

from imagebuild.cli.options import AsJson, Debug, PvGrub
from imagebuild.errors import OK, HostError

if TYPE_CHECKING:
    from imagebuild.cli.terminal import Segment
    from imagebuild.host.capabilities import Capability, State
    from imagebuild.operations.journal import Journal

_STYLE: dict[State, str] = {"ok": "green", "limited": "yellow", "lacking": "bold red"}


def doctor(
    context: typer.Context,
    prepare: Annotated[
        bool, typer.Option("--prepare", help="Build the Xen test host now (once; it is kept in the cache).")
    ] = False,
    packages: Annotated[
        bool, typer.Option("--packages", help="Only print the line that installs what this distribution has.")
    ] = False,
    install: Annotated[bool, typer.Option("--install", help="Run that line (as root, or with sudo).")] = False,
    as_json: AsJson = False,
    pv_grub: PvGrub = None,
    debug: Debug = False,
) -> int:
    """Say what this machine can do, and which Debian package to install for what it lacks.

    Things are tried, not assumed: KVM runs a guest, the appliance is launched. Exit code 0: images can be built
    and verified here; 4: something needed is lacking.

    \b
    Examples:
      imagebuild doctor
      imagebuild doctor --prepare
      imagebuild doctor --packages            # the line for apt; --install runs it
      imagebuild doctor --json | jq '.capabilities[] | select(.state == "lacking")'
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
        print(f"note: {note}", file=sys.stderr)
    print(shlex.join(line), flush=True)
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
        print(_json(found, ready=not lacks))
    else:
        say(_table(found))
        say([_conclusion(lacks)])
    return HostError.exit_code if lacks else OK


def _table(found: Sequence[Capability]) -> list[list[Segment]]:
    width = max(len(item.name) for item in found)
    lines: list[list[Segment]] = []
    for item in found:
        lines.append(
            [(f"{item.state:<8} ", _STYLE[item.state]), (f"{item.name:<{width}}  ", "bold"), (item.evidence, "")]
        )
        if item.resolution and item.state != "ok":
            lines.append([(" " * (9 + width + 2), ""), (f"what to do: {item.resolution}", "")])
    return lines


def _conclusion(lacks: Sequence[Capability]) -> list[Segment]:
    if not lacks:
        return [("This machine can build and verify images.", "bold green")]
    names = ", ".join(item.name for item in lacks)
    return [(f"This machine cannot build and verify images yet: it lacks {names}.", "bold red")]


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
