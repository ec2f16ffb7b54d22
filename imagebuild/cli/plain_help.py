"""--help as a user reads it: what an option takes and does, never the program's types; 80 columns.

manual.py shows the same rows in the man page and the reference.
"""

from __future__ import annotations

import re
from typing import Any, get_args

from typer.core import TyperCommand, TyperGroup

_DEFAULT_SAID = re.compile(r"\bdefault\b", re.IGNORECASE)


class PlainVerb(TyperCommand):
    """A verb."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        return [self.options_metavar or "", *(takes(one) for one in _arguments(self))]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        _write(self, ctx, formatter)


class PlainGroup(TyperGroup):
    """Verbs under one name: the program itself, or `cache`."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        _write(self, ctx, formatter)
        self.format_commands(ctx, formatter)


def _write(command: Any, ctx: Any, formatter: Any) -> None:
    options = [one for one in command.get_params(ctx) if one not in _arguments(command)]
    for title, parameters in (("Arguments", _arguments(command)), ("Options", options)):
        rows = [(names(one), explained(one)) for one in parameters if not getattr(one, "hidden", False)]
        if rows:
            with formatter.section(title):
                formatter.write_dl(rows)


def _arguments(command: Any) -> list[Any]:
    return [one for one in command.params if one.param_type_name == "argument"]


def names(parameter: Any) -> str:
    """As one types it, with what it takes: `-o, --output DIR`; an argument: `RECIPE...`."""
    if parameter.param_type_name == "argument":
        return takes(parameter)
    spelled = ", ".join(sorted(parameter.opts, key=len)) + "".join(f" / {other}" for other in parameter.secondary_opts)
    return spelled if getattr(parameter, "is_flag", False) else f"{spelled} {takes(parameter)}"


def takes(parameter: Any) -> str:
    """`FILE`, `hd0|hd00`, `RECIPE...`."""
    if parameter.metavar:
        shown = str(parameter.metavar)
    else:
        choices = get_args(getattr(getattr(parameter, "type_descriptor", None), "annotation", None))
        shown = "|".join(map(str, choices)) if choices else str(parameter.name).upper().replace("_", "-")
    return shown + ("..." if parameter.nargs == -1 else "")


def explained(parameter: Any) -> str:
    """The help text, with the default and the environment's variable where it does not say them itself."""
    text = re.sub(r"\s+", " ", getattr(parameter, "help", None) or "")
    default = getattr(parameter, "default", None)
    if isinstance(default, bool) or default in (None, "", ()) or callable(default) or _DEFAULT_SAID.search(text):
        shown = ""
    else:
        shown = f" (default: {default:g})" if isinstance(default, float) else f" (default: {default})"
    text = re.sub(r"(\.?)$", rf"{shown}\1", text, count=1) if shown else text
    variable = getattr(parameter, "envvar", None)
    return f"{text} Environment: {variable}." if variable else text
