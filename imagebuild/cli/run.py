"""One command from its arguments to its exit code: the only place that catches what a verb raises."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import typer

from imagebuild.cli.app import app
from imagebuild.errors import OK

if TYPE_CHECKING:
    from imagebuild.operations.toolbox import Toolbox

_BROKEN_PIPE = 128 + 13  # as the shell counts an end by SIGPIPE


# What typer raises for a mistake on the command line: the base of its public BadParameter, which has no public name.
_MISUSE = cast("type[typer.BadParameter]", typer.BadParameter.__mro__[1])
_COMPLETE = "_IMAGEBUILD_COMPLETE"  # set by the script of `imagebuild completion`


@dataclass
class Invocation:
    """What a verb finds in its context's `obj`: who does the work; and what options.py leaves there."""

    toolbox: Callable[[], Toolbox]
    debug: bool = False


def run(argv: Sequence[str] | None = None, toolbox: Toolbox | None = None) -> int:
    """Parse the arguments, carry out the verb, and return the exit code."""
    invocation = Invocation(lambda: toolbox or _own_toolbox())
    try:
        code = _invoke(sys.argv[1:] if argv is None else list(argv), invocation)
        sys.stdout.flush()  # a full disk or a closed pipe shows now, not at the interpreter's end
        return code
    except BrokenPipeError:
        return _BROKEN_PIPE
    except BaseException as error:
        from imagebuild.cli.ending import report  # not for --help

        return report(error, debug=invocation.debug)
    finally:
        _settle_stdout()


def _invoke(argv: list[str], invocation: Invocation) -> int:
    """What typer's `app(argv, standalone_mode=False)` does, but Ctrl-C and a closed pipe come through as they are."""
    command = typer.main.get_command(app)
    try:
        if _COMPLETE in os.environ:
            # with add_completion, typer would call it by itself
            from typer.completion import completion_init  # type: ignore[attr-defined]

            completion_init()
            command(argv, prog_name="imagebuild")
        with command.make_context("imagebuild", argv, obj=invocation) as context:
            return int(command.invoke(context) or OK)
    except typer.Exit as end:  # --help, --version
        return end.exit_code
    except SystemExit as end:  # completion
        return int(end.code or OK)
    except _MISUSE as error:
        error.show()
        return error.exit_code


def _own_toolbox() -> Toolbox:
    from imagebuild.operations.toolbox import own_toolbox

    return own_toolbox()


def _settle_stdout() -> None:
    """The reader went away (`imagebuild plan … | head`), or its disk is full: what is still in the buffer is lost.

    Without this the interpreter would try again at its end, and complain.
    """
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
