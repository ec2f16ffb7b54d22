"""Boot code of Debian's packages in an image: the same bytes again, and read back by other tools."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

from imagebuild.assemble.boot_code import make_fat, write_boot_code
from imagebuild.bootloaders.modes import CODES
from imagebuild.errors import BuildError
from imagebuild.events import Quiet
from imagebuild.formats.grub_boot import SECTOR_BYTES, core_start, core_stretches, grub_version, unpacked_core
from imagebuild.formats.pe import EFI_APPLICATION, read_pe
from imagebuild.host.cache import Cache
from imagebuild.plan.disk_vocabulary import FatFile, MakeFat, Region, Runs, WriteBootCode
from imagebuild.plan.facts import BootCodeFacts, BootCodeFile
from imagebuild.testhost.boot_code import get_boot_code

pytestmark = [pytest.mark.integration, pytest.mark.needs("mmdebstrap", "mkfs.fat", "mcopy")]
_MIB = 2**20


@pytest.fixture(scope="session")
def boot_code(user_cache: Cache) -> tuple[Path, BootCodeFacts]:
    directory, facts, _cached = get_boot_code(user_cache, Quiet())
    return directory, facts


def planned(facts: BootCodeFacts, platform: str, name: str) -> BootCodeFile:
    return facts.file(platform, name)


def test_every_platforms_files_are_there_with_their_digests(boot_code: tuple[Path, BootCodeFacts]) -> None:
    directory, facts = boot_code
    assert {(file.platform, file.name) for file in facts.files} == {
        (code.platform, name) for code in CODES for name in (code.first, code.core) if name
    }
    for file in facts.files:
        content = (directory / file.platform / file.name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == file.sha256
        assert len(file.package_sha256) == 64
        assert file.version.startswith("2.06-")


def test_a_core_made_again_is_the_same(boot_code: tuple[Path, BootCodeFacts], tmp_path: Path) -> None:
    again, facts, cached = get_boot_code(Cache(tmp_path), Quiet())
    assert not cached
    assert again != boot_code[0]
    assert facts == boot_code[1]


def test_the_core_lies_where_boot_img_jumps(boot_code: tuple[Path, BootCodeFacts], tmp_path: Path) -> None:
    directory, facts = boot_code
    image = tmp_path / "image"
    with image.open("wb") as file:
        file.truncate(4 * _MIB)
    first, core = planned(facts, "i386-pc", "boot.img"), planned(facts, "i386-pc", "core.img")
    write_boot_code(WriteBootCode(first=first, core=core, start_sector=2048, most_sectors=2048), image, directory)
    data = image.read_bytes()
    assert core_start(data[:SECTOR_BYTES]) == 2048
    stretches = core_stretches(2048, data[2048 * SECTOR_BYTES :][:SECTOR_BYTES])
    assert stretches is not None
    placed = b"".join(data[item.start_sector * SECTOR_BYTES : item.end_sector * SECTOR_BYTES] for item in stretches)
    unpacked = unpacked_core(placed)
    assert unpacked is not None
    assert grub_version(unpacked) == core.version
    with pytest.raises(BuildError, match="sectors of its place"):
        write_boot_code(WriteBootCode(first=first, core=core, start_sector=1, most_sectors=9), image, directory)
    spoilt = core.model_copy(update={"sha256": "0" * 64})
    with pytest.raises(BuildError, match="not the file that was planned"):
        write_boot_code(WriteBootCode(first=first, core=spoilt, start_sector=1, most_sectors=2047), image, directory)


def test_fat_is_made_twice_alike_and_found_whole(boot_code: tuple[Path, BootCodeFacts], tmp_path: Path) -> None:
    directory, facts = boot_code
    file = planned(facts, "x86_64-efi", "BOOTX64.EFI")
    step = MakeFat(
        where=Runs(runs=(Region(offset_bytes=_MIB, size_bytes=34 * _MIB),)),
        options=("-F", "32", "-s", "1", "--invariant"),
        uuid="1234-ABCD",
        label=None,
        files=(FatFile(path="EFI/BOOT/BOOTX64.EFI", file=file),),
    )
    made = []
    for name in ("first", "second"):
        image = tmp_path / name
        with image.open("wb") as blank:
            blank.truncate(36 * _MIB)
        make_fat(step, image, tmp_path, directory, 1_700_000_000, Quiet())
        made.append(image.read_bytes())
    assert made[0] == made[1]
    alone = tmp_path / "alone"
    alone.write_bytes(made[0][_MIB : 35 * _MIB])
    subprocess.run(["fsck.fat", "-n", str(alone)], check=True, capture_output=True)
    line = subprocess.run(["blkid", "-p", str(alone)], capture_output=True, text=True, check=True).stdout
    assert 'UUID="1234-ABCD"' in line
    assert 'VERSION="FAT32"' in line
    out = tmp_path / "BOOTX64.EFI"
    subprocess.run(["mcopy", "-i", str(alone), "::/EFI/BOOT/BOOTX64.EFI", str(out)], check=True)
    assert hashlib.sha256(out.read_bytes()).hexdigest() == file.sha256
    facts_of_it = read_pe(out.read_bytes())
    assert facts_of_it is not None
    assert (facts_of_it.machine, facts_of_it.subsystem) == ("x86_64", EFI_APPLICATION)
