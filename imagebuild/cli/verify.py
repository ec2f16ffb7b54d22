"""`verify`: any image that has a menu.lst, whoever made it."""

from __future__ import annotations

import os
import stat
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from imagebuild import __version__
from imagebuild.artifacts.output_directory import JUNIT, PAGE, REPORT, OutputFolder, open_folder, report_text
from imagebuild.cli import summary
from imagebuild.cli.ending import report as say_error
from imagebuild.cli.hands import VerifyImage
from imagebuild.cli.judge import LoaderDemand, exit_code, judge
from imagebuild.cli.terminal import LogFile, Watcher, choose_display, say, showing
from imagebuild.errors import HostError, ImagebuildError, Problem, RecipeError
from imagebuild.host.cache import Cache
from imagebuild.pages.junit import junit_text
from imagebuild.report import Report
from imagebuild.vocabulary import MACHINES, MachineName

if TYPE_CHECKING:
    from imagebuild.verify.runner import BootSettings
    from imagebuild.vocabulary import BootLoader


@dataclass(frozen=True, slots=True)
class VerifyOptions:
    """`output` None: the image's name with .verify, in the current folder. `boot`: what --timeout … say.

    `fallback`: prove the menu's fallback by a boot of its own."""

    machines: tuple[MachineName, ...]
    boot: BootSettings
    output: Path | None = None
    loader: BootLoader = "pv-grub"
    pv_grub: Path | None = None
    demand: LoaderDemand = None
    fallback: bool = True
    debug: bool = False
    force: bool = False


def chosen_machines(words: str | None) -> tuple[MachineName, ...] | None:
    """`--with static,qemu` as names, in the order in which they run. None: not given."""
    if words is None:
        return None
    wanted = [word.strip() for word in words.split(",")]
    for word in wanted:
        if word not in MACHINES:
            raise _misuse("--with", f"found {word!r}; allowed are {', '.join(MACHINES)}, separated by commas")
    return tuple(machine for machine in MACHINES if machine in wanted)


def boot_settings(timeout: str | None, memory: str | None, expect: str | None) -> BootSettings:
    """`--timeout 5min --memory 1GiB --expect TEXT`. Raises RecipeError."""
    from pydantic import TypeAdapter, ValidationError

    from imagebuild.recipe.units import Duration, Size
    from imagebuild.verify.runner import BootSettings

    settings = BootSettings()
    try:
        if timeout is not None:
            seconds = TypeAdapter(Duration).validate_python(timeout).total_seconds()
            settings = replace(settings, timeout_seconds=seconds)
    except ValidationError:
        raise _misuse("--timeout", f"found {timeout!r}; write a number with a unit, such as 90s or 5min") from None
    try:
        if memory is not None:
            settings = replace(settings, memory_bytes=int(TypeAdapter(Size).validate_python(memory)))
    except ValidationError:
        raise _misuse("--memory", f"found {memory!r}; write a number with a unit, such as 512MiB") from None
    if expect is not None:
        if not expect:
            raise _misuse("--expect", "found nothing; write the text that proves the boot, such as 'login:'")
        settings = replace(settings, expect=expect)
    return settings


def check_file(path: Path, what: str) -> None:
    """Raises RecipeError (the command line is wrong) or HostError (not permitted) unless it is a readable file."""
    try:
        status = path.stat()
    except OSError as error:
        raise _misuse(str(path), f"this {what} cannot be found: {error.strerror}") from None
    if stat.S_ISDIR(status.st_mode):
        raise _misuse(str(path), f"found a folder; expected a file, the {what} itself")
    if what == "image" and path.suffix in (".yaml", ".yml"):
        raise _misuse(str(path), f"found a recipe; expected the image that it makes: imagebuild build {path}")
    if not stat.S_ISREG(status.st_mode):
        raise _misuse(str(path), f"found a device, pipe or socket; expected a file, a copy of the {what}")
    if status.st_size == 0:
        raise _misuse(str(path), f"found an empty file; expected the {what}")
    if not os.access(path, os.R_OK):
        raise HostError(
            f"{path} cannot be read: permission denied", resolution="change its permissions, or be its owner"
        )


def verify_one(image: Path, options: VerifyOptions, verify: VerifyImage) -> int:
    """Verify one image and write the report. Returns the exit code (judge.py)."""
    check_file(image, "image")
    if options.pv_grub:
        check_file(options.pv_grub, "PV-GRUB")
    folder_path = options.output or Path(f"{image.name}.verify")
    begin = time.monotonic()
    with open_folder(folder_path, image.stem) as folder:
        log = LogFile(folder.log_path("verify"))
        try:
            log.line(f"imagebuild {__version__}: verify {image}")
            report, error = _verify(image, folder, options, verify, log)
            if error is not None:
                say_error(error, log=log.line, log_path=log.path, debug=options.debug)
            log.line(f"verdict: {report.verdict}")
        finally:
            log.close()
    say(summary.block(report, folder_path, time.monotonic() - begin))
    return exit_code(report.verdict, error)


def _verify(
    image: Path, folder: OutputFolder, options: VerifyOptions, verify: VerifyImage, log: LogFile
) -> tuple[Report, ImagebuildError | None]:
    from imagebuild.cli.page import page_text
    from imagebuild.verify.runner import Request

    request = Request(
        image=image,
        output=folder.make_consoles(),
        machines=options.machines,
        qemu=options.boot,
        xen=options.boot,
        pv_grub=options.pv_grub,
        loader=options.loader,
        anew=options.force,
        fallback=options.fallback,
        strict_fallback=options.demand == "fallback",
    )
    with showing(choose_display()) as display:
        watcher = Watcher(display, log)
        judgement = judge(request, verify, cache=Cache(), progress=watcher, demand=options.demand)
    inside = image.absolute().parent == folder.path.absolute()
    report = Report(
        name=image.stem,
        verdict=judgement.verdict,
        image=judgement.image.model_copy(update={"path": image.name if inside else str(image.absolute())}),
        stages=tuple(watcher.stages),
        checks=judgement.checks,
        boots=judgement.boots,
        imagebuild_version=__version__,
        unverified_because=judgement.reason,
        cached=bool(judgement.kept_at),
        verified_at=judgement.kept_at,
    )
    page = page_text(report, "verify", image=image, consoles=folder.consoles)
    folder.replace({JUNIT: junit_text(report), PAGE: page, REPORT: report_text(report)})
    return report, judgement.error


def _misuse(what: str, message: str) -> RecipeError:
    return RecipeError([Problem(what, 0, 0, "", message)])
