"""Bundles: the golden vector, the way there and back, and everything that may be wrong on the way back."""

from __future__ import annotations

import hashlib
import os
import random
import re
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from imagebuild.errors import PublishError
from imagebuild.host.sparse import aligned_extents
from imagebuild.publish.ec2 import gzip_stream, tar_stream
from imagebuild.publish.ec2.bundle import Bundle, BundleContent, write_bundle
from imagebuild.publish.ec2.keys import load_keys, load_private_key, new_session_key, sign
from imagebuild.publish.ec2.manifest import Machine, read_manifest
from imagebuild.publish.ec2.unbundle import read_bundle
from tests.unit.publish.ec2.keypairs import Pair

MIB = 2**20
MACHINE = Machine("x86_64", "aki-919dcaf8")


def noise(count: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(count)


@pytest.fixture
def make_bundle(tmp_path: Path, user: Pair, ec2: Pair) -> Callable[..., Bundle]:
    def make(image: Path, machine: Machine = MACHINE, **options: object) -> Bundle:
        keys = load_keys(private_key=user.key, certificate=user.certificate, ec2_certificate=ec2.certificate)
        request = BundleContent(image, tmp_path / "bundle", "disk.img", "123456789012", machine)
        return write_bundle(request, keys, **options)  # type: ignore[arg-type]

    return make


def test_golden_vector(sparse_image: Callable[..., Path], make_bundle: Callable[..., Bundle]) -> None:
    """1 MiB of zeros that are data: the tar of the reference, byte for byte."""
    manifest = make_bundle(sparse_image(MIB, (0, bytes(MIB)))).manifest
    assert manifest.digest == "9709273bb29fd1f4dfad710b3bda39f8fb6d2c54"
    assert (manifest.size_bytes, manifest.account) == (MIB, "123456789012")
    assert [part.filename for part in manifest.parts] == ["disk.img.part.00"]


CASES = {
    "all data": (MIB, [(0, noise(MIB))]),
    "all hole": (3 * MIB, []),
    "hole at the end": (3 * MIB, [(0, noise(5000))]),
    "hole at the start": (3 * MIB, [(2 * MIB, noise(MIB))]),
    "odd size": (3 * MIB + 77, [(MIB, noise(9)), (3 * MIB, noise(77))]),
    "more extents than one header holds": (40 * MIB, [(n * MIB, noise(4096, n)) for n in range(1, 40)]),
}


@pytest.mark.parametrize("case", CASES)
def test_there_and_back(
    case: str, tmp_path: Path, sparse_image: Callable[..., Path], make_bundle: Callable[..., Bundle], user: Pair
) -> None:
    size, stretches = CASES[case]
    image = sparse_image(size, *stretches)
    bundle = make_bundle(image)
    read_bundle(bundle.manifest_path, load_private_key(user.key), tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == image.read_bytes()
    assert (tmp_path / "back").stat().st_blocks <= image.stat().st_blocks + 128, "holes stay holes"


@pytest.mark.parametrize("case", CASES)
def test_the_archive_is_one_that_tarfile_reads(case: str, tmp_path: Path, sparse_image: Callable[..., Path]) -> None:
    size, stretches = CASES[case]
    image = sparse_image(size, *stretches)
    archive = tmp_path / "archive.tar"
    with image.open("rb") as file:
        extents = aligned_extents(file.fileno(), size)
        archive.write_bytes(b"".join(tar_stream.tar_pieces(file.fileno(), "disk.img", size, extents, 65536)))
    assert archive.stat().st_size == tar_stream.stream_length(size, extents)
    with tarfile.open(archive) as tar:
        member = tar.next()
        assert member is not None
        content = tar.extractfile(member)
        assert content is not None
        assert (member.name, member.size) == ("disk.img", size)
        assert content.read() == image.read_bytes()


def test_sizes_beyond_eight_gib(sparse_image: Callable[..., Path]) -> None:
    """9 GiB, all but 4 KiB a hole: costs what it holds, and the numbers no longer fit into octal."""
    image = sparse_image(9 * 2**30, (9 * 2**30 - 4096, noise(4096)))
    with image.open("rb") as file:
        extents = aligned_extents(file.fileno(), 9 * 2**30)
        archive = b"".join(tar_stream.tar_pieces(file.fileno(), "disk.img", 9 * 2**30, extents, MIB))
    assert len(archive) == tar_stream.RECORD
    info = tarfile.TarInfo.frombuf(archive[:512], "utf-8", "strict")
    assert archive[483:495] == b"\x80" + (9 * 2**30).to_bytes(11, "big")
    assert info.size == 4096


@pytest.mark.parametrize("count", [0, 1, MIB - 1, MIB, MIB + 1, 3 * MIB + 5])
def test_gzip_is_one_member_whatever_the_threads(count: int) -> None:
    import gzip
    import zlib

    data = (noise(count // 2) + bytes(count))[:count]
    results = {b"".join(gzip_stream.compressed([data], workers=workers)) for workers in (1, 2, 5)}
    (result,) = results
    assert gzip.decompress(result) == data
    inflate = zlib.decompressobj(wbits=31)
    inflate.decompress(result)
    assert inflate.eof
    assert not inflate.unused_data
    assert b"".join(gzip_stream.decompressed([result])) == data
    assert b"".join(gzip_stream.decompressed([result + result, bytes(512)])) == data + data


def test_parts_are_ten_mib_and_the_tar_digest_is_the_same_again(
    tmp_path: Path, sparse_image: Callable[..., Path], make_bundle: Callable[..., Bundle], user: Pair
) -> None:
    image = sparse_image(21 * MIB, (0, noise(21 * MIB)))
    bundle = make_bundle(image)
    sizes = [(tmp_path / "bundle" / part.filename).stat().st_size for part in bundle.manifest.parts]
    assert sizes[:2] == [10 * MIB, 10 * MIB]
    assert len(sizes) == 3
    assert sum(sizes) == bundle.manifest.bundled_bytes
    read_bundle(bundle.manifest_path, load_private_key(user.key), tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == image.read_bytes()


def test_manifest_text(sparse_image: Callable[..., Path], make_bundle: Callable[..., Bundle]) -> None:
    machine = Machine("i386", "aki-8f9dcae6", None, (("ami", "sda1"), ("root", "/dev/sda1")), ("ABC",))
    text = make_bundle(sparse_image(MIB), machine).manifest_path.read_text()
    assert text.startswith("<?xml version='1.0'?><manifest><version>2007-10-10</version><bundler>")
    assert (
        "<machine_configuration><architecture>i386</architecture><block_device_mapping>"
        "<mapping><virtual>ami</virtual><device>sda1</device></mapping>"
        "<mapping><virtual>root</virtual><device>/dev/sda1</device></mapping></block_device_mapping>"
        "<kernel_id>aki-8f9dcae6</kernel_id><product_codes><product_code>ABC</product_code></product_codes>"
        "</machine_configuration>"
    ) in text
    assert not re.search(r">\s+<", text)
    read = read_manifest(text.encode())
    assert read.manifest.machine == machine


def test_elements_are_read_in_any_order(
    tmp_path: Path, sparse_image: Callable[..., Path], make_bundle: Callable[..., Bundle], user: Pair
) -> None:
    machine = Machine("x86_64", "aki-919dcaf8", None, (), ("ABC",))
    bundle = make_bundle(sparse_image(MIB, (0, noise(999))), machine)
    text = bundle.manifest_path.read_text()
    image_text = text[text.index("<image>") : text.index("</image>") + 8]
    leaves = re.findall(r"<(?P<tag>\w+)(?: [^>]*)?>.*?</(?P=tag)>", image_text[7:-8])
    assert leaves
    pieces = [match[0] for match in re.finditer(r"<(\w+)(?: [^>]*)?>.*?</\1>", image_text[7:-8])]
    turned = "<image>\n " + "\n ".join(reversed(pieces)) + "\n</image>"
    product, kernel = (
        "<product_codes><product_code>ABC</product_code></product_codes>",
        "<kernel_id>aki-919dcaf8</kernel_id>",
    )
    text = text.replace(image_text, turned).replace(kernel + product, product + kernel)
    machine_text = text[text.index("<machine_configuration>") : text.index("</machine_configuration>") + 24]
    signature = sign(load_private_key(user.key), (machine_text + turned).encode())
    bundle.manifest_path.write_text(re.sub(r"<signature>\w+<", f"<signature>{signature}<", text))
    read_bundle(bundle.manifest_path, load_private_key(user.key), tmp_path / "back")
    assert (tmp_path / "back").stat().st_size == MIB


def replace_in(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def flip(path: Path, offset: int) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(data)


def signed_again(path: Path, user: Pair, pattern: str, replacement: str) -> None:
    """A change in the manifest, and the user's own signature over it."""
    text, count = re.subn(pattern, replacement, path.read_text())
    assert count
    path.write_text(text)
    read = read_manifest(path.read_bytes())
    signature = sign(load_private_key(user.key), read.signed_text)
    path.write_text(re.sub(r"<signature>\w+<", f"<signature>{signature}<", path.read_text()))


TAMPERED: dict[str, tuple[str, Callable[[Path, Pair], None]]] = {
    "tampered part": ("was changed: its SHA-1", lambda m, _: flip(m.with_name("disk.img.part.00"), 500)),
    "truncated part": ("is truncated: 100 bytes", lambda m, _: os.truncate(m.with_name("disk.img.part.00"), 100)),
    "missing part": ("cannot be read: No such file", lambda m, _: m.with_name("disk.img.part.00").unlink()),
    "tampered manifest": (
        "changed after it was signed",
        lambda m, _: replace_in(m, "<size>3145728<", "<size>3145729<"),
    ),
    "another architecture": ("changed after it was signed", lambda m, _: replace_in(m, "x86_64", "i386")),
    "wrong size, signed": (
        "archive's file has 3145728 bytes, the manifest says 3145729",
        lambda m, user: signed_again(m, user, r"<size>3145728<", "<size>3145729<"),
    ),
    "wrong digest, signed": (
        "content is not what the manifest declares",
        lambda m, user: signed_again(m, user, r'"SHA1">\w{40}(</digest><size>)', rf'"SHA1">{"0" * 40}\1'),
    ),
    "a path as a part": ("is not a plain file name", lambda m, _: replace_in(m, "disk.img.part.00", "../disk.img")),
    "a comment": ("DOCTYPE, a comment", lambda m, _: replace_in(m, "<image>", "<!-- <image> -->")),
    "not XML": ("not well-formed XML", lambda m, _: replace_in(m, "</manifest>", "")),
    "another version": ("only 2007-10-10 is known", lambda m, _: replace_in(m, "2007-10-10", "2010-01-01")),
    "fewer parts": ("declares 2 parts and lists 1", lambda m, _: replace_in(m, 'count="1"', 'count="2"')),
}  # fmt: skip


@pytest.mark.parametrize("case", TAMPERED)
def test_what_was_tampered_with_leaves_no_output(
    case: str, tmp_path: Path, sparse_image: Callable[..., Path], make_bundle: Callable[..., Bundle], user: Pair
) -> None:
    message, tamper = TAMPERED[case]
    bundle = make_bundle(sparse_image(3 * MIB, (MIB, noise(50_000))))
    tamper(bundle.manifest_path, user)
    (tmp_path / "out").mkdir()
    with pytest.raises(PublishError, match=re.escape(message)):
        read_bundle(bundle.manifest_path, load_private_key(user.key), tmp_path / "out" / "back")
    assert list((tmp_path / "out").iterdir()) == []


def test_wrong_key(
    tmp_path: Path, sparse_image: Callable[..., Path], make_bundle: Callable[..., Bundle], stranger: Pair
) -> None:
    bundle = make_bundle(sparse_image(MIB))
    with pytest.raises(PublishError, match="not the one that the bundle was made with"):
        read_bundle(bundle.manifest_path, load_private_key(stranger.key), tmp_path / "back")
    assert not (tmp_path / "back").exists()


def test_an_empty_extra_part_is_accepted(
    tmp_path: Path, sparse_image: Callable[..., Path], make_bundle: Callable[..., Bundle], user: Pair
) -> None:
    """As euca2ools writes it when the stream ends on a boundary."""
    bundle = make_bundle(sparse_image(MIB, (5, b"content")))
    digest = f'<digest algorithm="SHA1">{hashlib.sha1().hexdigest()}</digest>'
    extra = f'<part index="1"><filename>disk.img.part.1</filename>{digest}</part></parts>'
    (tmp_path / "bundle" / "disk.img.part.1").touch()
    replace_in(bundle.manifest_path, 'count="1"', 'count="2"')
    signed_again(bundle.manifest_path, user, "</parts>", extra)
    read_bundle(bundle.manifest_path, load_private_key(user.key), tmp_path / "back")
    assert b"content" in (tmp_path / "back").read_bytes()


def test_key_and_certificate_must_belong_together(user: Pair, ec2: Pair, stranger: Pair) -> None:
    with pytest.raises(PublishError, match="does not belong to the certificate"):
        load_keys(private_key=stranger.key, certificate=user.certificate, ec2_certificate=ec2.certificate)


@pytest.mark.parametrize(
    "content", ["", "nonsense", "-----BEGIN PRIVATE KEY-----\nTOPSECRET\n-----END PRIVATE KEY-----\n"]
)
def test_what_is_no_key_is_not_quoted(tmp_path: Path, content: str) -> None:
    (tmp_path / "key").write_text(content)
    with pytest.raises(PublishError, match="contains no private key") as caught:
        load_private_key(tmp_path / "key")
    assert "TOPSECRET" not in f"{caught.value.brief}{caught.value.details}{caught.value.resolution}"
    assert caught.value.__suppress_context__


def test_nothing_is_left_of_a_bundle_that_failed(
    tmp_path: Path, sparse_image: Callable[..., Path], make_bundle: Callable[..., Bundle]
) -> None:
    class Stop(Exception):  # noqa: N818
        pass

    def meter(done: int, total: int) -> None:
        if done > 15 * MIB:
            raise Stop

    image = sparse_image(21 * MIB, (0, noise(21 * MIB)))
    with pytest.raises(Stop):
        make_bundle(image, meter=meter)
    assert list((tmp_path / "bundle").iterdir()) == []
    make_bundle(image)
    with pytest.raises(PublishError, match="contains a bundle named disk"):
        make_bundle(image)


@pytest.mark.parametrize("account", ["12345", "1234567890123", "12345678901x"])
def test_account(account: str, tmp_path: Path, sparse_image: Callable[..., Path], user: Pair, ec2: Pair) -> None:
    keys = load_keys(private_key=user.key, certificate=user.certificate, ec2_certificate=ec2.certificate)
    with pytest.raises(PublishError, match="12 digits"):
        write_bundle(BundleContent(sparse_image(MIB), tmp_path, "x", account, Machine("x86_64")), keys)


def test_an_image_that_is_too_large(sparse_image: Callable[..., Path], make_bundle: Callable[..., Bundle]) -> None:
    with pytest.raises(PublishError, match="at most 10 GiB"):
        make_bundle(sparse_image(10 * 2**30 + 1))


def test_session_keys_show_nothing(user: Pair, ec2: Pair) -> None:
    session = new_session_key()
    assert "key=" not in repr(session)
    keys = load_keys(private_key=user.key, certificate=user.certificate, ec2_certificate=ec2.certificate)
    assert "PrivateKey" not in repr(keys)
