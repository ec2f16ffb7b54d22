"""The closed vocabulary of a build: each step says all that its execution needs, and nothing is decided later.

    tree      BootstrapDebian | UnpackTar | TakeDirectory | TakeImage | TakeOci
                                                              where the file tree comes from (cached by digest)
    edits     Remove | WriteFile | CopyFile | MakeLink | MakeDirectory
              AddUser | JoinGroups | AuthorizeKeys | SetPassword | RunScript
              UnpackPackage | IndexModules | CopyInTree | RepackKernel | GenerateInitrd
                                                              changes to a copy of the tree, or (finishing) to the
                                                              filesystems that it has populated
    disk      in typed phases (disk_vocabulary.py), each carried out by one exhaustive `match`:
      blank       CreateDisk | WritePartitionTable | WriteBootCode | MakeFat | MakeSwap
                                                              what needs no tree
      populate    MakeExt | MakeBtrfs | MakeXfs | PackTree    filesystems made in user space, and what the appliance
                                                              is to unpack
      appliance   CreateVolumeGroup | CreateLogicalVolume | MakeAndFill
                                                              what needs a kernel: run by libguestfs, in order
      identities  SettleVolumeGroup                           the UUIDs that LVM has drawn, replaced

Paths inside the image are absolute and POSIX. Files beside the recipe are named as in the recipe (relative to its
directory), so that a plan is the same on every machine. Secrets are named, never held.
"""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Literal, Self, assert_never

from pydantic import BaseModel, Field, model_validator

from imagebuild.plan.disk_vocabulary import DiskStep, Phases, Step, phases_of
from imagebuild.plan.system_vocabulary import AddUser, AuthorizeKeys, JoinGroups, RemoveTraces, RunScript
from imagebuild.vocabulary import Architecture, InitrdTool, Layout, MachineName

# --- the tree -------------------------------------------------------------------------------------------------


class BootstrapDebian(Step):
    """Bootstrap a Debian tree. `mirror` None: the machine's own apt sources."""

    kind: Literal["bootstrap-debian"] = "bootstrap-debian"
    suite: str
    variant: str
    architecture: Architecture
    mirror: str | None
    components: tuple[str, ...]
    packages: tuple[str, ...]


class UnpackTar(Step):
    """Take the tree from an archive beside the recipe. `sha256` None: not pinned by the recipe."""

    kind: Literal["unpack-tar"] = "unpack-tar"
    path: str
    sha256: str | None


class TakeDirectory(Step):
    """Take the tree from a directory beside the recipe."""

    kind: Literal["take-directory"] = "take-directory"
    path: str


class TakeImage(Step):
    """Take the tree out of a disk image beside the recipe. `root` None: the root filesystem is found."""

    kind: Literal["take-image"] = "take-image"
    path: str
    sha256: str | None
    root: str | None


class TakeOci(Step):
    """Take the tree from an OCI image layout beside the recipe. `tag` None: the layout holds one image."""

    kind: Literal["take-oci"] = "take-oci"
    path: str
    tag: str | None
    architecture: Architecture


TreeSource = Annotated[BootstrapDebian | UnpackTar | TakeDirectory | TakeImage | TakeOci, Field(discriminator="kind")]


# --- edits of a copy of the tree ------------------------------------------------------------------------------


class Remove(Step):
    """Remove a file, a link or a whole directory; what is not there is no mistake. `reason` is for people."""

    kind: Literal["remove"] = "remove"
    path: str
    reason: str


class WriteFile(Step):
    """Write a text; parents are made, owner is root. A symbolic link at `path` is replaced, not followed."""

    kind: Literal["write-file"] = "write-file"
    path: str
    content: str
    mode: int = 0o644


class WriteSecret(Step):
    """As WriteFile, of a text that others are not to read. `secret`: the name under which the executor is handed it.

    `sha256` and `size_bytes` are the text's, so that another text is another plan.
    """

    kind: Literal["write-secret"] = "write-secret"
    path: str
    secret: str
    sha256: str
    size_bytes: int
    mode: int


class CopyFile(Step):
    """Copy a file that stands beside the recipe; owner is root."""

    kind: Literal["copy-file"] = "copy-file"
    source: str
    path: str
    mode: int = 0o644


class MakeLink(Step):
    """Make a symbolic link (replacing a file or link in its place)."""

    kind: Literal["make-link"] = "make-link"
    path: str
    target: str


class MakeDirectory(Step):
    """Make a directory and its parents (mode 0755, root); one that is there stays as it is."""

    kind: Literal["make-folder"] = "make-folder"
    path: str


class UnpackPackage(Step):
    """Unpack a .deb or .rpm that stands beside the recipe; its scripts are not run. `sha256`: what was planned with."""

    kind: Literal["unpack-package"] = "unpack-package"
    source: str
    sha256: str


class IndexModules(Step):
    """Run the tree's own depmod for the kernel: packages leave that to their scripts."""

    kind: Literal["index-modules"] = "index-modules"
    kernel_version: str


class CopyInTree(Step):
    """Copy a file of the tree to another place in it (replacing a file or link there)."""

    kind: Literal["copy-in-tree"] = "copy-in-tree"
    source: str
    path: str


class RepackKernel(Step):
    """Give a kernel a second payload, compressed with gzip, for loaders that cannot unpack its own."""

    kind: Literal["repack-kernel"] = "repack-kernel"
    path: str


class GenerateInitrd(Step):
    """Generate the kernel's initrd inside the tree with the distribution's own tool, holding `modules`.

    `lvm`: and the lvm tools, for a root on LVM.
    """

    kind: Literal["generate-initrd"] = "generate-initrd"
    tool: InitrdTool
    kernel: str
    kernel_version: str
    path: str
    modules: tuple[str, ...]
    lvm: bool = False


class SetPassword(Step):
    """Put a crypt(5) hash into /etc/shadow. `secret` is the name under which the executor is handed the hash."""

    kind: Literal["set-password"] = "set-password"
    user: str
    secret: str


# Done in the whole tree only: these change what cannot be named beforehand, or run programs of the tree; and
# mountpoints: there has to be a directory before a filesystem can be populated without its content.
TreeEdit = Remove | RemoveTraces | MakeDirectory | UnpackPackage | IndexModules | RunScript | GenerateInitrd
# Can as well be done in the finished filesystems: finishing.py decides.
FinishingEdit = (
    WriteFile
    | WriteSecret
    | CopyFile
    | MakeLink
    | CopyInTree
    | RepackKernel
    | AddUser
    | JoinGroups
    | AuthorizeKeys
    | SetPassword
)
Edit = Annotated[TreeEdit | FinishingEdit, Field(discriminator="kind")]


def sources_of(edit: Edit) -> tuple[str, ...]:
    """The files beside the recipe that the edit reads, and that the plan does not pin by a digest."""
    match edit:
        case CopyFile() | RunScript():
            return (edit.source,)
        case AuthorizeKeys():
            return edit.sources
        case UnpackPackage():
            return ()  # pinned by its digest
        case (
            Remove() | RemoveTraces() | MakeDirectory() | IndexModules() | GenerateInitrd() | WriteFile() | MakeLink()
            | WriteSecret() | CopyInTree() | RepackKernel() | AddUser() | JoinGroups() | SetPassword()
        ):  # fmt: skip
            return ()
        case _:
            assert_never(edit)


# --- the plan -------------------------------------------------------------------------------------------------


class PlannedFilesystem(Step):
    """For people and for the report: one filesystem or swap area, wherever it lies. `size_bytes` 0: not known yet."""

    place: str
    type: str
    mountpoint: str | None
    size_bytes: int
    uuid: str
    label: str | None


class PlannedEntry(Step):
    """One entry of the menu, with paths in the tree (not as the loader sees them)."""

    title: str
    kernel: str
    initrd: str | None


class PlannedCheck(Step):
    machine: MachineName
    what: str


class Plan(Step):
    """All that a build will do. With `pending` empty, the plan is final and `disk` is complete.

    `edits` are made in the tree, `finishing` in the filesystems that it populates; `kept`: those may be cached
    before they are finished (finishing.py). `epoch`: the moment that the image shows, in seconds since 1970: no file is
    newer. None: not known yet.
    `notes`: what whoever registers or boots the image has to know.
    """

    format: Literal[1] = 1
    name: str
    version: str | None
    architecture: Architecture
    layout: Layout
    size_bytes: int | None
    epoch: int | None
    tree: TreeSource
    edits: tuple[Edit, ...]
    finishing: tuple[Annotated[FinishingEdit, Field(discriminator="kind")], ...] = ()
    kept: bool = False
    disk: tuple[DiskStep, ...]
    filesystems: tuple[PlannedFilesystem, ...]
    entries: tuple[PlannedEntry, ...]
    menu: str
    fstab: str
    checks: tuple[PlannedCheck, ...]
    notes: tuple[str, ...] = ()
    pending: tuple[str, ...]

    @model_validator(mode="after")
    def _only_ext_is_finished(self) -> Self:
        if self.finishing and any(step.kind != "make-ext" for step in self.phases.populate):
            raise ValueError("finishing: only ext filesystems can be finished")
        return self

    @property
    def digest(self) -> str:
        return digest_of(self)

    @property
    def phases(self) -> Phases:
        return phases_of(self.disk)

    @property
    def wants_network(self) -> bool:
        """Whether a script of the recipe was promised the network."""
        return any(edit.kind == "run-script" and edit.network for edit in self.edits)

    @property
    def all_edits(self) -> tuple[Edit, ...]:
        return (*self.edits, *self.finishing)


def digest_of(part: BaseModel, without: set[str] | None = None) -> str:
    """sha256 (hex) of a plan's or a sub-plan's canonical JSON: sorted keys, no white space, UTF-8."""
    content = part.model_dump(mode="json", exclude=without)
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
