"""boot.menu: what keeps menu.lst and the image's kernels together when the guest's packages are updated.

maintained: update_menu.sh goes into the image, with a hook for each way in which kernels come and go, and a unit that
looks once more before the machine goes down. fixed: apt keeps the packages of the kernels that the menu names.

Sources: Debian's kernel packages and linux-base (linux-run-hooks): /etc/kernel/{postinst,prerm,postrm}.d with the
version as first argument; initramfs-tools: /etc/initramfs/post-update.d; systemd's kernel-install(8):
/etc/kernel/install.d/*.install with COMMAND VERSION DIRECTORY IMAGE; apt_preferences(5); apt.conf(5),
APT::NeverAutoRemove.
"""

from __future__ import annotations

import re
import shlex
from importlib import resources

from imagebuild.bootloaders.pv_grub import BOOT_DEVICES
from imagebuild.bootloaders.table import LOADERS
from imagebuild.errors import PlanError
from imagebuild.families.table import conventions
from imagebuild.plan.boot import own_paths
from imagebuild.plan.facts import TreeFacts
from imagebuild.plan.modes import command_line
from imagebuild.plan.steps import Edit, MakeLink, PlannedEntry, WriteFile
from imagebuild.plan.tools import KERNEL_INSTALL, LZ4, SYSTEMD, ZSTD, place_of
from imagebuild.recipe.model import Recipe

KEY = "boot.menu"
PROGRAM_PATH = "/usr/lib/imagebuild/update-menu"
SETTINGS_PATH = "/etc/imagebuild/menu.conf"
PREFERENCES_PATH = "/etc/apt/preferences.d/imagebuild-kernels"
AUTOREMOVE_PATH = "/etc/apt/apt.conf.d/02imagebuild-kernels"
UNIT_NAME = "imagebuild-menu.service"
_FILE_NAME = re.compile(r"/boot/vmlinu[zx]-(?P<version>\S+)")
_HOOK = f"#!/bin/sh\n# Written by imagebuild ({KEY}: maintained).\n"
_DEBIAN_HOOKS = {
    "/etc/kernel/postinst.d/zz-imagebuild-menu": f"exec {PROGRAM_PATH}\n",
    "/etc/kernel/postrm.d/zz-imagebuild-menu": f"exec {PROGRAM_PATH}\n",
    # A removal that frees a full /boot must go on.
    "/etc/kernel/prerm.d/zz-imagebuild-menu": f'{PROGRAM_PATH} --without "$1" || :\n',
    "/etc/initramfs/post-update.d/zz-imagebuild-menu": f"exec {PROGRAM_PATH}\n",
}
# Where no other hook has put the kernel into /boot (Fedora's does so only with GRUB 2 installed), this one does.
_KERNEL_INSTALL_HOOK = f"""\
set -eu
kernel=/boot/vmlinuz-$2
case $1 in
add)
    if [ ! -e "$kernel" ] && [ -n "${{4:-}}" ]; then
        dd if="$4" of="$kernel.new" bs=64k conv=fsync 2>/dev/null && mv -f "$kernel.new" "$kernel"
    fi
    exec {PROGRAM_PATH} ;;
remove)
    {PROGRAM_PATH} --without "$2" || :
    rm -f "$kernel" ;;
esac
"""
_UNIT = f"""\
# Written by imagebuild ({KEY}: maintained).
[Unit]
Description=Write the boot menu again before the machine goes down
RequiresMountsFor=/boot

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/true
ExecStop={PROGRAM_PATH}
TimeoutStopSec=120

[Install]
WantedBy=multi-user.target
"""
_HOW_TO_MOVE_ON = f"""\
Written by imagebuild (boot.menu: fixed): /boot/grub/menu.lst names these kernels, and nothing changes that file.
To move on to another kernel: name it in menu.lst, then remove {AUTOREMOVE_PATH}
and {PREFERENCES_PATH}.
"""


def check_maintained(recipe: Recipe, entries: tuple[PlannedEntry, ...], facts: TreeFacts | None) -> None:
    """Raises PlanError for a menu that the program in the image would write otherwise, or that nothing would call."""
    boot = recipe.boot
    if boot.menu != "maintained":
        return
    if boot.default or boot.fallback is not None:
        raise _refusal("the newest kernel is its default, and the one that ran last its fallback", "default, fallback")
    if any(kernel.title for kernel in boot.kernels):
        raise _refusal("it names its entries itself", "boot.kernels' title")
    if odd := [entry.kernel for entry in entries if not _FILE_NAME.fullmatch(entry.kernel)]:
        raise PlanError(
            KEY,
            f"{', '.join(odd)} is not named as kernel packages name theirs, so a maintained menu would lose it",
            resolution="name the file vmlinuz-VERSION, or use menu: fixed",
        )
    _check_tree(recipe, facts)


def _check_tree(recipe: Recipe, facts: TreeFacts | None) -> None:
    if facts is None:
        return
    if not _hooks(facts):
        raise PlanError(
            KEY,
            f"nothing in this tree ({facts.family}) calls a program when kernels come and go",
            details="looked for Debian's /etc/kernel hooks, kernel-install and systemd",
            resolution="use menu: fixed",
        )
    for tool in (ZSTD, LZ4):
        unpacked = LOADERS[recipe.boot.loader].can_unpack(tool.name)
        used = any(kernel.compression == tool.name for kernel in facts.kernels)
        if used and not unpacked and place_of(tool, facts) is None:
            raise PlanError(
                KEY,
                f"the tree's kernels are compressed with {tool.name}, and it lacks the program {tool.name}, which "
                f"makes a new one fit for {LOADERS[recipe.boot.loader].starter}",
                resolution=f"install in the tree: {tool.package}",
            )


def menu_edits(
    recipe: Recipe, entries: tuple[PlannedEntry, ...], facts: TreeFacts | None, *, root: str, separate_boot: bool
) -> list[Edit]:
    """The files that boot.menu asks for. `root`: what stands behind root= on the kernel command line."""
    if recipe.boot.menu == "fixed":
        return [] if facts is None else _protection(entries, facts)
    hooks = _hooks(facts) if facts is not None else []
    settings = _settings(recipe, entries, root=root, separate_boot=separate_boot)
    program = resources.files("imagebuild.plan").joinpath("update_menu.sh").read_text(encoding="utf-8")
    return [
        WriteFile(path=PROGRAM_PATH, content=program, mode=0o755),
        WriteFile(path=SETTINGS_PATH, content=settings),
        *hooks,
    ]


def _refusal(reason: str, keys: str) -> PlanError:
    return PlanError(KEY, f"maintained: {reason}", resolution=f"leave {keys} out, or use menu: fixed")


def _hooks(facts: TreeFacts) -> list[Edit]:
    edits: list[Edit] = []
    if conventions(facts.family).debian_packages:
        edits += [WriteFile(path=path, content=_HOOK + line, mode=0o755) for path, line in _DEBIAN_HOOKS.items()]
    elif place_of(KERNEL_INSTALL, facts) is not None:
        path = "/etc/kernel/install.d/95-imagebuild-menu.install"
        edits.append(WriteFile(path=path, content=_HOOK + _KERNEL_INSTALL_HOOK, mode=0o755))
    if place_of(SYSTEMD, facts) is not None:
        unit = f"/etc/systemd/system/{UNIT_NAME}"
        edits.append(WriteFile(path=unit, content=_UNIT))
        edits.append(MakeLink(path=f"/etc/systemd/system/multi-user.target.wants/{UNIT_NAME}", target=unit))
    return edits


def _settings(recipe: Recipe, entries: tuple[PlannedEntry, ...], *, root: str, separate_boot: bool) -> str:
    """/etc/imagebuild/menu.conf: assignments of the shell."""
    boot = recipe.boot
    patterns = [kernel.version for kernel in boot.kernels if kernel.version]
    own = [own_paths(kernel)[0] for kernel in boot.kernels if kernel.kernel]
    patterns += [match["version"] for match in map(_FILE_NAME.fullmatch, own) if match]
    values = {
        "TITLE": recipe.name,
        "DEVICE": BOOT_DEVICES[recipe.disk.layout],
        "DIRECTORY": "" if separate_boot else "/boot",
        "COMMAND_LINE": f"root={root} {command_line(recipe)}".strip(),
        "TIMEOUT": str(boot.timeout),
        "KERNELS": " ".join(patterns or ["*"]),
        "UNPACKS": " ".join(("none", *LOADERS[boot.loader].unpacks)),
        "REPACK": "no" if boot.repack == "never" else "yes",
        "INITRD": "yes" if any(entry.initrd for entry in entries) else "no",
    }
    meanings = {
        "TITLE": "what stands before the kernel's version in the title of an entry",
        "DEVICE": "where the boot loader finds the kernels, in its words, and below which directory",
        "COMMAND_LINE": "of each kernel",
        "TIMEOUT": "seconds until the first entry starts",
        "KERNELS": "patterns of the shell for the versions that the menu takes up",
        "REPACK": "yes: kernels compressed with zstd or lz4 get a second payload, compressed with gzip",
        "UNPACKS": f"compressions of kernels that {LOADERS[boot.loader].title} can undo",
        "INITRD": "no: kernels without an initrd are taken up, too",
    }
    lines = [f"# Settings of {PROGRAM_PATH}, which writes /boot/grub/menu.lst (imagebuild, {KEY}: maintained)."]
    lines.append("# After a change, run that program.")
    for name, value in values.items():
        lines += [f"# {meanings[name]}"] if name in meanings else []
        lines.append(f"{name}={shlex.quote(value)}")
    return "\n".join(lines) + "\n"


def _protection(entries: tuple[PlannedEntry, ...], facts: TreeFacts) -> list[Edit]:
    """What keeps apt from removing, or replacing, the packages of the menu's kernels."""
    named = {entry.kernel for entry in entries}
    packages = sorted({kernel.package for kernel in facts.kernels if kernel.package and kernel.path in named})
    if not packages:
        return []
    patterns = "".join(f'  "^{re.escape(package)}$";\n' for package in packages)
    pins = "".join(f"\nPackage: {package}\nPin: version *\nPin-Priority: -1\n" for package in packages)
    return [
        WriteFile(path=AUTOREMOVE_PATH, content=f"{_comment('//')}APT::NeverAutoRemove {{\n{patterns}}};\n"),
        WriteFile(path=PREFERENCES_PATH, content=f"{_comment('#')}{pins}"),
    ]


def _comment(mark: str) -> str:
    return "".join(f"{mark} {line}\n" for line in _HOW_TO_MOVE_ON.splitlines())
