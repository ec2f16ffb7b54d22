"""The verbs for the person at the desk: diff, init, boot, shell, completion."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import typer

from imagebuild.cli.options import AsJson, Debug, Memory, PvGrub
from imagebuild.vocabulary import Layout, RootType

Work = Callable[[], int]
Do = Callable[..., None]


def add_desk_verbs(app: typer.Typer, do: Do) -> None:
    """Add them; `do` keeps what is to be done until the parser has ended (app.py)."""
    _add_init(app, do)
    _add_diff(app, do)
    _add_boot(app, do)
    _add_shell(app, do)
    _add_completion(app, do)


def _add_completion(app: typer.Typer, do: Do) -> None:
    @app.command(short_help="Print the completion script of a shell.")
    def completion(
        context: typer.Context,
        shell: Annotated[Literal["bash", "zsh", "fish"], typer.Argument(metavar="bash|zsh|fish", show_default=False)],
    ) -> None:
        """Print the script with which a shell completes verbs, options and file names.

        \b
        Examples:
          imagebuild completion bash > ~/.local/share/bash-completion/completions/imagebuild
          imagebuild completion zsh > ~/.zfunc/_imagebuild
          imagebuild completion fish > ~/.config/fish/completions/imagebuild.fish
        """

        def work() -> int:
            from typer.completion import get_completion_script  # type: ignore[attr-defined]

            print(get_completion_script(prog_name="imagebuild", complete_var="_IMAGEBUILD_COMPLETE", shell=shell))
            return 0

        do(context, work)


def _add_boot(app: typer.Typer, do: Do) -> None:
    @app.command(short_help="Sit at an image's console.")
    def boot(
        context: typer.Context,
        image: Annotated[
            Path,
            typer.Argument(
                metavar="IMAGE",
                help="A disk image of any usual format.",
                show_default=False,
            ),
        ],
        xen: Annotated[bool, typer.Option("--xen", help="As a Xen PV guest, through PV-GRUB or the stand-in.")] = False,
        keep: Annotated[
            bool, typer.Option("--keep", help="Write into the image; without it changes are lost.")
        ] = False,
        pv_grub: PvGrub = None,
        memory: Memory = None,
        debug: Debug = False,
    ) -> None:
        """Boot an image and sit at its console. What the guest writes is thrown away at the end, unless with --keep.

        Without --xen, QEMU starts the kernel that the image's menu.lst names. Ctrl-A X ends the machine; so does the
        guest's own poweroff. The exit code is 0 when the machine has ended, however.

        \b
        Examples:
          imagebuild boot out/web/web.raw
          imagebuild boot old-server.qcow2 --xen --memory 1GiB
        """

        def work() -> int:
            from imagebuild.cli.console import BootWords, boot_image

            return boot_image(BootWords(image, xen=xen, keep=keep, pv_grub=pv_grub, memory=memory))

        do(context, work, debug=debug)


def _add_shell(app: typer.Typer, do: Do) -> None:
    @app.command(short_help="Look into an image (guestfish).")
    def shell(
        context: typer.Context,
        image: Annotated[
            Path,
            typer.Argument(
                metavar="IMAGE",
                help="A disk image of any usual format.",
                show_default=False,
            ),
        ],
        write: Annotated[bool, typer.Option("--write", help="Allow changes; without it nothing is written.")] = False,
        debug: Debug = False,
    ) -> None:
        """Look into an image: a guestfish shell with all its filesystems mounted, read-only unless --write is given.

        Commands are read from a pipe, too. `help` lists them; ls, cat, find, download and edit are the usual ones.

        \b
        Examples:
          imagebuild shell out/web/web.raw
          echo 'cat /boot/grub/menu.lst' | imagebuild shell old-server.qcow2
        """

        def work() -> int:
            from imagebuild.cli.console import open_shell

            return open_shell(image, write=write)

        do(context, work, debug=debug)


def _add_init(app: typer.Typer, do: Do) -> None:
    @app.command(short_help="Write a commented recipe to begin with.")
    def init(
        context: typer.Context,
        path: Annotated[Path, typer.Argument(metavar="[FILE]", help="Where it goes; - prints it.")] = Path(
            "my-image.yaml"
        ),
        source: Annotated[
            Path | None, typer.Option("--from", metavar="IMAGE", help="A recipe for an image like this one.")
        ] = None,
        name: Annotated[str | None, typer.Option("--name", help="Name of the image (default: the file's).")] = None,
        suite: Annotated[str | None, typer.Option("--suite", metavar="NAME", help="Debian release: bookworm …")] = None,
        layout: Annotated[
            Layout | None, typer.Option("--layout", help="hd0: one filesystem; hd00: partitions.")
        ] = None,
        lvm: Annotated[bool | None, typer.Option("--lvm/--no-lvm", help="The root on LVM (hd00 only).")] = None,
        filesystem: Annotated[RootType | None, typer.Option("--filesystem", help="The root's.")] = None,
        size: Annotated[
            str | None, typer.Option("--size", help="The disk's, such as 4GiB (default: computed).")
        ] = None,
        hostname: Annotated[str | None, typer.Option("--hostname", help="Default: debian.")] = None,
        yes: Annotated[bool, typer.Option("-y", "--yes", help="Ask nothing, take the defaults.")] = False,
        force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
        debug: Debug = False,
    ) -> None:
        """Write a commented recipe: asks for layout, filesystem, LVM and release, each with a default.

        Options answer questions in advance; without a terminal nothing is asked. With --from the recipe is taken from
        an image: its partitions, filesystems, volumes and boot menu, and its tree as the source. What is written
        validates, or the command says why not.

        \b
        Examples:
          imagebuild init web.yaml
          imagebuild init web.yaml --layout hd00 --lvm --yes
          imagebuild init rebuilt.yaml --from old-server.raw
        """

        def work() -> int:
            from imagebuild.cli.init import wants_questions, write_recipe

            given = {"name": name, "suite": suite, "layout": layout, "lvm": lvm, "filesystem": filesystem,
                     "size": size, "hostname": hostname}  # fmt: skip
            return write_recipe(path, given, source=source, ask=wants_questions(yes), force=force)

        do(context, work, debug=debug)


def _add_diff(app: typer.Typer, do: Do) -> None:
    @app.command(short_help="Tell what differs between two images.")
    def diff(
        context: typer.Context,
        a: Annotated[Path, typer.Argument(metavar="A", help="An image, or an output folder.", show_default=False)],
        b: Annotated[Path, typer.Argument(metavar="B", help="Another.", show_default=False)],
        as_json: AsJson = False,
        html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write a page for a browser.")] = None,
        exit_code: Annotated[bool, typer.Option("--exit-code", help="End with 11 when they differ.")] = False,
        debug: Debug = False,
    ) -> None:
        """Tell what differs between two images or output folders: layout, menu, kernels, packages, and every file.

        Files are compared by type, content, mode, owner, extended attributes, link target; not by their times. ext
        filesystems are read by debugfs (some 20 s for each image), all others in libguestfs' appliance (minutes).
        The exit code is 0 whether they differ or not, unless --exit-code is given.

        \b
        Examples:
          imagebuild diff out-yesterday/web out/web
          imagebuild diff old.raw new.raw --html difference.html
          imagebuild diff old.raw new.raw --json | jq '.packages'
        """

        def work() -> int:
            from imagebuild.cli.diff import show_difference

            return show_difference(a, b, as_json=as_json, html=html, exit_code=exit_code)

        do(context, work, debug=debug)
