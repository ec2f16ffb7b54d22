"""How a filesystem is made: the options for its tool, from its type, its reader, and what the recipe adds.

Every choice that the tools would take by themselves is written out, so that another release of them makes the same
filesystem. The recipe's own options are merged in here; what imagebuild decides itself (UUID, label, place) is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from imagebuild.bootloaders.model import Loader
from imagebuild.errors import PlanError
from imagebuild.filesystems import ext
from imagebuild.recipe.model import FilesystemSpec

Settings = dict[str, str]
# Options that the recipe may give, and for those that hold `key=value` pairs the keys.
_EXT_OPTIONS = ("-O", "-E", "-m", "-i", "-N", "-I", "-J", "-G", "-g", "-b", "-e")
_EXT_EXTENDED = ("stride", "stripe_width", "packed_meta_blocks", "num_backup_sb", "resize", "mmp_update_interval")
_XFS_KEYS: Mapping[str, tuple[str, ...]] = {
    "-m": ("crc", "finobt", "rmapbt", "reflink", "bigtime", "inobtcount"),
    "-i": ("size", "maxpct", "sparse", "attr", "nrext64"),
    "-n": ("size", "ftype"),
    "-d": ("agcount", "agsize", "su", "sw", "sunit", "swidth", "cowextsize", "extszinherit"),
    "-l": ("size", "su", "sunit"),
}
_BTRFS_OPTIONS = ("-O", "-n", "--csum", "-d", "-m")
_REISERFS_OPTIONS = ("-h", "-s", "-t")
# mkfs.xfs 6.1's own defaults; what it is told for a reader of V4.
_XFS_V5 = {
    "-m": {"crc": "1", "finobt": "1", "rmapbt": "0", "reflink": "1", "bigtime": "1", "inobtcount": "1"},
    "-i": {"size": "512", "sparse": "1", "nrext64": "0"},
    "-n": {"size": "4096", "ftype": "1"},
    "-d": {"agcount": "4"},
    "-l": {"size": "67108864"},
}
_XFS_V4 = {
    "-m": {"crc": "0", "finobt": "0", "rmapbt": "0", "reflink": "0", "bigtime": "0", "inobtcount": "0"},
    "-i": {"size": "256", "sparse": "0", "nrext64": "0"},
    "-n": {"size": "4096", "ftype": "0"},
    "-d": {"agcount": "4"},
    "-l": {"size": "67108864"},
}
# What build/xfs does not write itself: such a filesystem is filled by a kernel.
XFS_FOR_A_KERNEL = frozenset({"rmapbt=1", "nrext64=1", "attr=1"})
XFS_LOG_BYTES = 64 * 2**20
# btrfs-progs 6.2's own defaults.
_BTRFS_FEATURES = ("extref", "skinny-metadata", "no-holes", "free-space-tree")
_BTRFS_NODE_BYTES = 16384
_BTRFS_NODE_BYTES_2012 = 4096


@dataclass(frozen=True, slots=True)
class Making:
    """`options` for the tool; `settings` as a loader's rules name them, the type among them.

    `block_bytes`, `inodes` (None: as many as the content needs) and `inode_bytes` are of use for ext only.
    """

    options: tuple[str, ...]
    settings: frozenset[str]
    features: tuple[str, ...] = ()
    block_bytes: int = ext.BLOCK_BYTES
    inode_bytes: int = ext.INODE_BYTES
    inodes: int | None = None


def making(spec: FilesystemSpec, key: str, reader: Loader | None) -> Making:
    """How to make it. `reader`: the boot loader that has to read it, None for a kernel alone. Raises PlanError."""
    given = _Given(spec, key)
    match spec.type:
        case "ext2" | "ext3" | "ext4":
            return _ext(spec, given, reader)
        case "xfs":
            return _xfs(given, v4=reader is not None and reader.xfs_v4)
        case "btrfs":
            return _btrfs(spec, given, plain=reader is not None and reader.plain_btrfs)
        case "reiserfs":
            pairs = {"-b": "4096", "-h": "r5"} | dict(given.pairs(_REISERFS_OPTIONS))
            return Making(("--format", "3.6", *_flat(pairs)), frozenset({"reiserfs"}))
        case "swap":
            return Making((), frozenset({"swap"}))


class _Given:
    """The recipe's `mkfs`, read as pairs of an option and its value."""

    def __init__(self, spec: FilesystemSpec, key: str) -> None:
        self._type = spec.type
        self._key = f"{key}.mkfs" if key.endswith("filesystem") else f"{key}.filesystem.mkfs"
        self._words = [word for item in spec.mkfs for word in item.split()]

    def refused(self, what: str, resolution: str) -> PlanError:
        return PlanError(self._key, what, resolution=resolution)

    def pairs(self, allowed: tuple[str, ...]) -> list[tuple[str, str]]:
        pairs = []
        words = list(self._words)
        while words:
            word = words.pop(0)
            option, value = word, ""
            if word.startswith("--") and "=" in word:
                option, _, value = word.partition("=")
            elif not word.startswith("--") and len(word) > 2 and word.startswith("-"):
                option, value = word[:2], word[2:]
            if option not in allowed:
                raise self.refused(
                    f"{word} is no option that may be given for {self._type}",
                    f"these may: {', '.join(allowed)}; UUID, label and place are imagebuild's own business",
                )
            if not value and not words:
                raise self.refused(f"{option} needs a value", f"write it behind {option}")
            pairs.append((option, value or words.pop(0)))
        return pairs

    def number(self, option: str, value: str, allowed: tuple[int, ...] | None = None) -> int:
        if not value.isdigit() or (allowed is not None and int(value) not in allowed):
            choice = "a whole number" if allowed is None else ", ".join(map(str, allowed))
            raise self.refused(f"{option} {value} cannot be", f"allowed: {choice}")
        return int(value)

    def keyed(self, option: str, value: str, allowed: tuple[str, ...]) -> Settings:
        """The `key=value` pairs of one option."""
        found = {}
        for item in value.split(","):
            name, _, setting = item.partition("=")
            if name not in allowed:
                raise self.refused(
                    f"{option} {item} is nothing that may be given for {self._type}",
                    f"behind {option} may stand: {', '.join(allowed)}",
                )
            found[name] = setting
        return found


def _switched(features: tuple[str, ...], value: str) -> tuple[str, ...]:
    """The features with those of an -O list switched on, or off with ^."""
    now = list(features)
    for word in value.split(","):
        name = word.removeprefix("^")
        if word.startswith("^"):
            now = [feature for feature in now if feature != name]
        elif name not in now:
            now.append(name)
    return tuple(now)


def _ext(spec: FilesystemSpec, given: _Given, reader: Loader | None) -> Making:
    assert spec.type in ("ext2", "ext3", "ext4")
    features = ext.features_of(spec.type, without=reader.ext_without if reader else ())
    block, inode_bytes, inodes = ext.BLOCK_BYTES, ext.INODE_BYTES, None
    options: dict[str, str] = {"-m": "1"}
    for option, value in given.pairs(_EXT_OPTIONS):
        match option:
            case "-O":
                features = _switched(features, value)
            case "-b":
                block = given.number(option, value, (1024, 2048, 4096))
            case "-I":
                inode_bytes = given.number(option, value, (128, 256, 512, 1024))
            case "-N":
                inodes = given.number(option, value)
            case "-E":
                given.keyed(option, value, _EXT_EXTENDED)
                options[option] = value
            case _:
                options[option] = value
    return Making(tuple(_flat(options)), frozenset({spec.type, *features}), features, block, inode_bytes, inodes)


def _xfs(given: _Given, *, v4: bool) -> Making:
    pairs = given.pairs(tuple(_XFS_KEYS))
    wanted: dict[str, Settings] = {}
    for option, value in pairs:
        wanted.setdefault(option, {}).update(given.keyed(option, value, _XFS_KEYS[option]))
    v4 = v4 or wanted.get("-m", {}).get("crc") == "0"
    chosen = {option: dict(keys) for option, keys in (_XFS_V4 if v4 else _XFS_V5).items()}
    for option, keys in wanted.items():
        chosen[option] |= keys
    if "agsize" in chosen["-d"]:
        del chosen["-d"]["agcount"]
    options = {option: ",".join(f"{key}={value}" for key, value in keys.items()) for option, keys in chosen.items()}
    if chosen["-n"]["size"] != "4096":
        raise given.refused("-n size= other than 4096 is not made here", "leave it out")
    settings = {f"{key}={value}" for option in ("-m", "-i", "-n") for key, value in chosen[option].items()}
    return Making(tuple(_flat(options)), frozenset({"xfs", *settings}))


def _btrfs(spec: FilesystemSpec, given: _Given, *, plain: bool) -> Making:
    features: tuple[str, ...] = () if plain else _BTRFS_FEATURES
    options = {"-n": str(_BTRFS_NODE_BYTES_2012 if plain else _BTRFS_NODE_BYTES), "-d": "single", "-m": "dup"}
    settings = {"btrfs"}
    for option, value in given.pairs(_BTRFS_OPTIONS):
        if option == "-O":
            features = _switched(features, value)
        elif option == "--csum" and value not in ("crc32c", "sha256", "blake2"):
            raise given.refused(f"--csum {value} cannot be", "use crc32c, sha256 or blake2")
        elif option in ("-d", "-m") and value not in ("single", "dup"):
            raise given.refused(f"{option} {value} needs several disks", "use single or dup: the filesystem has one")
        else:
            options[option] = value
    if options.get("--csum", "crc32c") != "crc32c":
        settings.add("csum")
    if "compress" in (spec.mount_options or ""):
        settings.add("compress")
    if spec.subvolumes:
        settings.add("subvolumes")
    # Every feature is named: those that are not wanted are switched off.
    off = (f"^{feature}" for feature in _BTRFS_FEATURES if feature not in features)
    listed = ",".join([*features, *off])
    return Making((*_flat(options), *_btrfs_lists(listed)), frozenset({*settings, *features}))


def _btrfs_lists(listed: str) -> list[str]:
    """btrfs-progs before 6.3 take free-space-tree as a "runtime feature" only."""
    words = listed.split(",")
    runtime = [word for word in words if word.removeprefix("^") in ("free-space-tree", "quota")]
    lists = {"-O": [word for word in words if word not in runtime], "-R": runtime}
    return [word for option, names in lists.items() if names for word in (option, ",".join(names))]


def _flat(pairs: Mapping[str, str]) -> list[str]:
    return [word for pair in pairs.items() for word in pair]
