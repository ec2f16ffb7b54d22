"""report.html: gathers what the page shows. Nothing here ends a run: what cannot be read is left out of the page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from imagebuild.artifacts.output_directory import PACKAGES, REPORT
from imagebuild.host.cache import Cache
from imagebuild.host.scratch import scratch_folder
from imagebuild.pages.clean import console_lines
from imagebuild.pages.model import Area, Console, DiskFacts, Entry, PackageLine, Previous, ReportPage, Stretch
from imagebuild.pages.render import report_html
from imagebuild.recipe.named_file import read_whole
from imagebuild.report import MOST_REPORT_BYTES, Boot, Report
from imagebuild.vocabulary import MachineName

if TYPE_CHECKING:
    from imagebuild.image.subject import Subject
    from imagebuild.plan.steps import Plan
    from imagebuild.rootfs.packages import Packages

_MOST_CONSOLE_BYTES = 16 * 2**20


def page_text(
    report: Report,
    verb: str,
    *,
    image: Path,
    consoles: Path,
    plan: Plan | None = None,
    packages: Packages | None = None,
    previous: Previous | None = None,
) -> str:
    """The text of report.html. `image`: where it lies now; `consoles`: the folder of this run's console logs."""
    seen = _look_at(image, _mountpoints(plan))
    planned = tuple(Entry(entry.title, entry.kernel, entry.initrd or "") for entry in plan.entries) if plan else ()
    return report_html(
        ReportPage(
            report=report,
            verb=verb,
            made=_words(datetime.now(UTC)),
            disk=seen.disk if seen else None,
            menu_path=seen.menu_path if seen else "",
            menu=seen.menu if seen else plan.menu if plan else "",
            entries=(seen.entries if seen else ()) or planned,
            notes=plan.notes if plan else (),
            packages=_lines(packages) if packages else (),
            consoles=tuple(_consoles(report.boots, consoles)),
            previous=previous,
        )
    )


def previous_build(folder: Path) -> Previous | None:
    """The build whose result still lies in the folder; None when there is none that can be read."""
    from imagebuild.rootfs.packages import Packages

    try:
        path = folder / REPORT
        made = _words(datetime.fromtimestamp(path.stat().st_mtime, UTC))
        report = Report.model_validate_json(read_whole(path, MOST_REPORT_BYTES))
        packages = Packages.model_validate_json(read_whole(folder / PACKAGES, MOST_REPORT_BYTES))
    except (OSError, ValueError):
        return None
    return Previous(report, _lines(packages), made)


def _lines(packages: Packages) -> tuple[PackageLine, ...]:
    return tuple(PackageLine(one.name, one.version, one.architecture) for one in packages.packages)


def _words(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M UTC")


def _mountpoints(plan: Plan | None) -> dict[str, str]:
    """Where each filesystem is mounted, by its UUID."""
    filesystems = plan.filesystems if plan else ()
    return {part.uuid.lower(): part.mountpoint or "" for part in filesystems}


class _Seen:
    """The disk and the menu as they lie in the image."""

    def __init__(self, subject: Subject, mountpoints: Mapping[str, str]) -> None:
        self.disk = disk_facts(subject, mountpoints)
        at = subject.menu_at
        self.menu_path = f"{at.place}{at.path}" if at else ""
        self.menu = subject.menu_text
        menu = subject.menu
        default = menu.default if menu and isinstance(menu.default, int) else 0
        self.entries = tuple(
            Entry(entry.title, entry.kernel or "", entry.initrd or "", number == default)
            for number, entry in enumerate(menu.entries if menu else ())
        )


def _look_at(image: Path, mountpoints: Mapping[str, str]) -> _Seen | None:
    """Read the image once more: that takes milliseconds, and what is drawn is what is there."""
    from imagebuild.errors import ImagebuildError
    from imagebuild.image.subject import open_subject
    from imagebuild.testhost import Tools, find

    try:
        host = find(Cache())
        tools = host.tools if host else Tools(Path("/nonexistent"))  # then only ext can be read
        with (
            scratch_folder() as scratch,
            open_subject(image, tools, scratch) as subject,
        ):
            return _Seen(subject, mountpoints)
    except (ImagebuildError, OSError):
        return None


def disk_facts(subject: Subject, mountpoints: Mapping[str, str]) -> DiskFacts:
    """The subject's places, as a page draws them."""
    areas = []
    for place in subject.places:
        contents = place.contents
        uuid = contents.uuid if contents else ""
        areas.append(
            Area(
                name=place.name,
                size_bytes=place.size_bytes,
                stretches=tuple(Stretch(run.offset_bytes, run.size_bytes) for run in place.runs),
                type=place.type,
                mountpoint=mountpoints.get(uuid.lower(), ""),
                label=contents.label if contents else "",
                uuid=uuid,
                level=1 if place.volume else 0,
            )
        )
    return DiskFacts(subject.size_bytes, subject.table.label if subject.table else "none", tuple(areas))


def _consoles(boots: Iterable[Boot], folder: Path) -> Iterator[Console]:
    for boot in boots:
        try:
            with (folder / Path(boot.console).name).open("rb") as file:
                content = file.read(_MOST_CONSOLE_BYTES)
        except OSError:
            continue
        lines, left_out = console_lines(content)
        yield Console(boot.machine, boot.console, tuple(lines), _fatal_lines(boot.machine, lines), left_out)


def _fatal_lines(machine: MachineName, lines: list[str]) -> frozenset[int]:
    """The lines that end a boot, by the same patterns as the verification's."""
    from imagebuild.verify.firmware import FIRMWARES
    from imagebuild.verify.signs import GUEST_FATALS, pc_fatals, xen_fatals

    fatals = xen_fatals("stand-in", menu_waits=False) if machine in ("xen", "pvh") else GUEST_FATALS
    if machine in FIRMWARES:
        fatals = pc_fatals(FIRMWARES[machine].fatals, menu_waits=False)
    # a prompt is drawn in good boots, too (a menu's)
    patterns = [fatal.pattern for fatal in fatals if not fatal.prompt and not fatal.after_login]
    return frozenset(number for number, line in enumerate(lines) if any(pattern.search(line) for pattern in patterns))
