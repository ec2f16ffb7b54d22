"""The man page and the reference of the command line, made from the verbs themselves.

python -m imagebuild.cli.manual docs     # writes the generated parts of the documentation
"""

from __future__ import annotations

import inspect
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imagebuild.cli.plain_help import explained, names
from imagebuild.errors import EXIT_CODES
from imagebuild.limits import ENVIRONMENT_VARIABLE, LIMITS

GENERATED = ("imagebuild.1", "reference/commands.md", "reference/recipe.md")


@dataclass(frozen=True, slots=True)
class Option:
    """`names` as one types them, with what they take; `help` is one sentence or two."""

    names: str
    help: str


@dataclass(frozen=True, slots=True)
class Verb:
    """`about`: paragraphs; `examples`: command lines with what they do."""

    name: str
    brief: str
    usage: str
    about: tuple[str, ...]
    examples: tuple[str, ...]
    arguments: tuple[Option, ...]
    options: tuple[Option, ...]


def verbs() -> list[Verb]:
    """All of them, in the order of --help; a verb's own verbs (cache prune) follow it."""
    import typer

    from imagebuild.cli.app import app

    found: list[Verb] = []

    def walk(prefix: str, group: Any) -> None:
        for name, command in group.commands.items():
            if command.hidden:
                continue
            full = f"{prefix}{name}"
            if hasattr(command, "commands"):
                walk(f"{full} ", command)
            else:
                found.append(_verb(full, command))

    walk("", typer.main.get_command(app))
    return found


def _verb(name: str, command: Any) -> Verb:
    paragraphs, examples = _about(command.help or "")
    arguments: list[Option] = []
    options: list[Option] = []
    for parameter in command.params:
        if not getattr(parameter, "hidden", False):
            rows = arguments if parameter.param_type_name == "argument" else options
            rows.append(Option(names(parameter), explained(parameter)))
    usage = " ".join(["imagebuild", name, "[OPTIONS]", *(argument.names for argument in arguments)])
    brief = command.short_help or paragraphs[0].partition(". ")[0]
    return Verb(name, brief, usage, paragraphs, examples, tuple(arguments), tuple(options))


def _about(help_text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Paragraphs, and the lines under "Examples:" (\\b marks what click leaves as it is)."""
    paragraphs, examples = [], []
    for block in re.split(r"\n\s*\n", inspect.cleandoc(help_text)):
        lines = [line for line in block.split("\n") if line.strip() != "\b"]
        if lines and lines[0].strip() == "Examples:":
            examples += [line.strip() for line in lines[1:]]
        elif lines:
            paragraphs.append(" ".join(line.strip() for line in lines))
    return tuple(paragraphs), tuple(examples)


def commands_markdown() -> str:
    """docs/reference/commands.md."""
    parts = ["# Commands", "", "Made from `imagebuild --help`; the man page says the same.", ""]
    parts += ["| verb | what it does |", "|---|---|"]
    parts += [f"| [`{verb.name}`](#{verb.name.replace(' ', '-')}) | {_cell(verb.brief)} |" for verb in verbs()]
    for verb in verbs():
        parts += ["", f"## {verb.name}", "", "```text", verb.usage, "```"]
        for paragraph in verb.about:
            parts += ["", _prose(paragraph)]
        if verb.arguments or verb.options:
            parts += ["", "| | |", "|---|---|"]
            parts += [
                f"| `{_cell(one.names)}` | {_cell(_prose(one.help))} |" for one in (*verb.arguments, *verb.options)
            ]
        if verb.examples:
            parts += ["", "```sh", *verb.examples, "```"]
    parts += ["", "## Exit codes", "", "| code | meaning |", "|---|---|"]
    parts += [f"| {code} | {_cell(meaning)} |" for code, meaning in EXIT_CODES.items()]
    return "\n".join(parts) + "\n"


def _prose(text: str) -> str:
    return text.replace("<", "&lt;").replace("*", "\\*").replace("_", "\\_")


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def man_page() -> str:
    """docs/imagebuild.1, in man(7)'s language."""
    from imagebuild import __version__

    lines = [f'.TH IMAGEBUILD 1 "" "imagebuild {__version__}" "User Commands"', ".SH NAME",
             r"imagebuild \- disk images from declarative recipes, booted under Xen and QEMU before they are released",
             ".SH SYNOPSIS", ".B imagebuild", r"\fIVERB\fR [\fIOPTIONS\fR] ...", ".SH DESCRIPTION",
             "Builds disk images for Xen paravirtual guests that start through PV-GRUB, from YAML recipes, and boots",
             "each to its login prompt before it gets its name. No root, no loop devices, no KVM needed."]  # fmt: skip
    for verb in verbs():
        lines += [f".SH {_roff(verb.name.upper())}", f".B {_roff(verb.usage)}"]
        for paragraph in verb.about:
            lines += [".PP", _roff(paragraph)]
        for one in (*verb.arguments, *verb.options):
            lines += [".TP", f"\\fB{_roff(one.names)}\\fR", _roff(one.help) or r"\&"]
        if verb.examples:
            lines += [
                ".PP",
                "Examples:",
                ".PP",
                ".nf",
                *(f".RS 4\n{_roff(line)}\n.RE" for line in verb.examples),
                ".fi",
            ]
    lines += [".SH EXIT STATUS"]
    for code, meaning in EXIT_CODES.items():
        lines += [".TP", f"\\fB{code}\\fR", _roff(meaning.replace("`", ""))]
    lines += [".SH ENVIRONMENT"]
    for name, meaning in (
        ("IMAGEBUILD_CACHE", "Directory of the cache (default: ~/.cache/imagebuild)."),
        ("IMAGEBUILD_CACHE_LIMIT", "Limit of the whole cache (default: 20GiB)."),
        (
            ENVIRONMENT_VARIABLE,
            "How many times as much imagebuild reads of images, archives and initrds: a whole number. " + _limits(),
        ),
        ("IMAGEBUILD_PV_GRUB", "A genuine PV-GRUB to boot with under Xen."),
        ("IMAGEBUILD_SIGN_KEY", "As --sign-key."),
        ("SOURCE_DATE_EPOCH", "The time that SBOMs and provenance state."),
    ):
        lines += [".TP", f"\\fB{name}\\fR", _roff(meaning)]
    return "\n".join(lines) + "\n"


def _limits() -> str:
    return "Without it: " + "; ".join(limit.shown for limit in LIMITS) + "."


def _roff(text: str) -> str:
    text = text.replace("\\", r"\e").replace("-", r"\-")
    return re.sub(r"^([.'])", r"\\&\1", text, flags=re.MULTILINE)


def generated() -> dict[str, str]:
    """The generated files by their path below docs/."""
    from imagebuild.recipe.reference import recipe_markdown

    return dict(zip(GENERATED, (man_page(), commands_markdown(), recipe_markdown()), strict=True))


def main(folder: Path) -> None:
    for name, text in generated().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs"))
