"""The command line: the only place that prints or exits.

Start here. `main` runs one command from its words to its exit code:

    app.py         the verbs (typer); parsing ends in a function to call, nothing runs yet
    run.py         … which is called here
    options.py     the options that verbs share
    validate.py    validate, plan: the recipe alone
    hands.py       what does the work behind the verbs
    build.py       build: one or several recipes, each to a verified image
    parallel.py    … several of them at once
    lock.py reproduce.py         lock, reproduce: the same packages, the same image again
    jobs.py        … what it is going to do, known before it does anything
    verify.py      verify: any image that has a menu.lst
    judge.py       what is said about an image in the end, for both
    output.py      the folder of one result, replaced as a whole
    junit.py       the report for CI systems
    page.py        report.html: what pages/ is given to draw
    papers.py      what lies beside an image: other shapes, SBOMs, provenance, signature
    desk.py        the options of diff, init, boot, shell, completion
    diff.py init.py console.py   … and their work
    manual.py      the man page and the reference of commands, made from the verbs
    summary.py     the report for the person at the terminal
    doctor.py      doctor: what this machine can do
    terminal.py    progress on a terminal, progress in a pipe, the log file
    ending.py      errors as words on stderr, and exit codes
    signals.py     Ctrl-C, SIGTERM, SIGHUP

Everything heavy is imported inside the verb that needs it, so that `--help` and `plan` answer at once.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imagebuild.cli.hands import Hands


def main(argv: Sequence[str] | None = None, hands: Hands | None = None) -> int:
    """The program: run one command and return its exit code (errors.py has the list).

    `hands` does the work behind the verbs; None: imagebuild's own. SIGINT, SIGTERM and SIGHUP are taken over for
    the rest of the process's life.
    """
    from imagebuild.cli.signals import take_signals

    signals = take_signals()
    for stream in (sys.stdout, sys.stderr):  # in an old locale a tick or a dash must not end a build
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        from imagebuild.cli.run import run

        return run(argv, hands)
    except KeyboardInterrupt:  # before or after the command itself
        from imagebuild.cli.ending import report
        from imagebuild.errors import Interrupted

        return report(Interrupted("interrupted"))
    finally:
        signals.ignore_from_now_on()
