"""The command line: the only place that prints or exits.

Start here. `main` runs one command from its arguments to its exit code:

    app.py         the verbs in their order; commands/ has a module for each: parse, call one operation, print
    run.py         … where one is called, and what it raises is caught
    options.py     the options that verbs share; plain_help.py: --help's rows
    terminal.py    progress on a terminal, progress in a pipe, coloured lines
    board.py       … of several recipes at once
    output.py      what a verb writes on standard output, made harmless
    line_progress.py  … as plain lines, for the EC2 verbs; ec2_options.py: what they share
    summary.py     the report for the person at the terminal; inspection_lines.py: what is in an image
    result_json.py … as data, for --json
    ending.py      errors as lines on stderr, and exit codes
    signals.py     Ctrl-C, SIGTERM, SIGHUP
    manual.py      the man page and the reference of commands, made from the verbs

Everything heavy is imported inside the verb that needs it, so that `--help` and `plan` answer at once.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imagebuild.operations.toolbox import Toolbox


def main(argv: Sequence[str] | None = None, toolbox: Toolbox | None = None) -> int:
    """The program: run one command and return its exit code (errors.py has the list).

    `toolbox` does the work behind the verbs; None: imagebuild's own. SIGINT, SIGTERM and SIGHUP are taken over for
    the rest of the process's life.
    """
    from imagebuild.cli.signals import take_signals

    signals = take_signals()
    for stream in (sys.stdout, sys.stderr):  # in an old locale a tick or a dash must not end a build
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        from imagebuild.cli.run import run

        return run(argv, toolbox)
    except KeyboardInterrupt:  # before or after the command itself
        from imagebuild.cli.ending import report
        from imagebuild.errors import Interrupted

        return report(Interrupted("interrupted"))
    finally:
        signals.ignore_from_now_on()
