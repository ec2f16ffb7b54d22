"""The edits that take out what each machine makes for itself: the last that is done in the tree, for every source."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from imagebuild.formats.machine_traces import AUTHORIZED_KEYS, TRACES, Trace
from imagebuild.plan.facts import TreeFacts
from imagebuild.plan.steps import CopyFile, Edit, MakeLink, WriteFile, WriteSecret
from imagebuild.plan.system_vocabulary import AuthorizeKeys, RemoveTraces
from imagebuild.recipe.model import Recipe

_SSH_PATH = "/etc/systemd/system/ssh.service.d/host-keys.conf"
# The empty ExecStartPre takes away Debian's own, which refuses to go on without keys (systemd.service(5)).
_SSH_DROP_IN = """\
# Each machine makes its own host keys when it starts sshd for the first time.
[Service]
ExecStartPre=
ExecStartPre=/usr/bin/ssh-keygen -A
ExecStartPre=/usr/sbin/sshd -t
"""
_SSH_UNITS = ("/usr/lib/systemd/system/ssh.service", "/lib/systemd/system/ssh.service")


def trace_edits(recipe: Recipe, written: Sequence[Edit]) -> tuple[RemoveTraces, ...]:
    """One edit for each kind of trace that the recipe does not keep; what `written` put there is the recipe's own."""
    spared = tuple(sorted(_paths(written)))
    chosen = [trace for trace in TRACES if trace.name not in recipe.system.keep]
    chosen += [AUTHORIZED_KEYS] if AUTHORIZED_KEYS.name in recipe.system.remove else []
    return tuple(_edit(trace, spared) for trace in chosen)


def _edit(trace: Trace, spared: tuple[str, ...]) -> RemoveTraces:
    then = trace.name == "ssh-host-keys"
    return RemoveTraces(
        name=trace.name,
        reason=trace.reason,
        removed=trace.removed,
        emptied=trace.emptied,
        spared=spared,
        then_path=_SSH_PATH if then else None,
        then_content=_SSH_DROP_IN if then else "",
        then_beside=_SSH_UNITS if then else (),
    )


def _paths(edits: Sequence[Edit]) -> Iterator[str]:
    for edit in edits:
        match edit:
            case WriteFile() | WriteSecret() | CopyFile() | MakeLink():
                yield edit.path
            case AuthorizeKeys():
                yield str(PurePosixPath(edit.home) / ".ssh/authorized_keys")
            case _:
                pass


def trace_notes(recipe: Recipe, facts: TreeFacts | None) -> Iterator[str]:
    """What the image keeps of the machine that its tree comes from, and nobody said so."""
    found = [item.path for item in (facts.noted if facts else ()) if item.path.endswith(("_keys", "_keys2"))]
    if found and AUTHORIZED_KEYS.name not in recipe.system.remove:
        yield f"the tree has {', '.join(found)}: whoever has those keys can log in; system.remove takes them out"
