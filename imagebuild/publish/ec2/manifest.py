"""The bundle's manifest (version 2007-10-10): written without white space, signed, and read in any order of elements.

The signature covers the text of `<machine_configuration>` and `<image>` exactly as it stands in the file, so the text
is cut out of the bytes, never rendered anew. Markup that could make text and elements differ (a DOCTYPE, comments,
CDATA, a second such element) is refused.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import dataclass
from xml.sax.saxutils import escape

from imagebuild.errors import PublishError
from imagebuild.formats.foreign import ForeignError, number, number_or_none, shortened

VERSION = "2007-10-10"
MOST_IMAGE_BYTES = 10 * 2**30
# 10 GiB in parts of 10 MiB, with room for what tar and gzip add.
_MOST_PARTS = 10_000
_MOST_BYTES = 2**60
_MOST_NAME_BYTES = 255 - len(".part.00000")
# What is signed is cut out of the bytes, so bytes and text must be the same: no declaration of another encoding.
_DECLARED = re.compile(
    rb"""(?:\xef\xbb\xbf)?\s*(?:<\?xml(?![^>]*encoding)[^>]*\?>|<\?xml[^>]*encoding=['"](?i:utf-8|us-ascii|ascii)['"][^>]*\?>|<(?!\?))"""
)
_ACCOUNT = re.compile(r"\d{12}")
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")
_SHA1 = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class Part:
    filename: str
    sha1: str


@dataclass(frozen=True, slots=True)
class Machine:
    """What the image wants to be started with. `mappings` are pairs of virtual name and device."""

    architecture: str
    kernel_id: str | None = None
    ramdisk_id: str | None = None
    mappings: tuple[tuple[str, str], ...] = ()
    product_codes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Manifest:
    """`size_bytes` of the raw image, `bundled_bytes` of all parts; `digest` is the tar stream's SHA-1.

    The four encrypted texts are hexadecimal: key and IV, for EC2 and for the user.
    """

    machine: Machine
    name: str
    account: str
    digest: str
    size_bytes: int
    bundled_bytes: int
    ec2_key: str
    user_key: str
    ec2_iv: str
    user_iv: str
    parts: tuple[Part, ...]
    bundler: tuple[str, str, str] = ("imagebuild", "", "")


@dataclass(frozen=True, slots=True)
class SignedManifest:
    """A manifest as read, with what was signed and by which signature."""

    manifest: Manifest
    signed_text: bytes
    signature: str


def write_manifest(manifest: Manifest, sign: Callable[[bytes], str]) -> bytes:
    """The whole file; `sign` is given the text to sign and returns the signature in hexadecimal."""
    machine, image = _machine_text(manifest.machine), _image_text(manifest)
    signature = sign((machine + image).encode("utf-8"))
    name, version, release = manifest.bundler
    bundler = _element("bundler", _leaf("name", name) + _leaf("version", version) + _leaf("release", release))
    body = _leaf("version", VERSION) + bundler + machine + image + _leaf("signature", signature)
    return ("<?xml version='1.0'?>" + _element("manifest", body)).encode("utf-8")


def read_manifest(data: bytes) -> SignedManifest:
    """Raises PublishError for what is no such manifest. The signature is not checked here."""
    if re.search(rb"<!|<\?xml-", data):
        raise _bad("it holds a DOCTYPE, a comment or CDATA, which bundlers do not write")
    if _DECLARED.match(data) is None:
        raise _bad("it is not in UTF-8, which every bundler writes")
    try:
        root = ET.fromstring(data.decode("utf-8"))
    except (ET.ParseError, ValueError, RecursionError) as error:
        raise _bad(f"it is not well-formed XML ({shortened(str(error), 200)})") from None
    if root.tag != "manifest":
        raise _bad(f"its outermost element is <{root.tag}>, not <manifest>")
    if (version := _text(root, "version")) != VERSION:
        raise _bad(f"its version is {version}, only {VERSION} is known")
    return SignedManifest(
        _manifest(root), _cut(data, b"machine_configuration") + _cut(data, b"image"), _text(root, "signature")
    )


def check_account(account: str) -> str:
    """The 12 digits, also when written as 1234-5678-9012. Raises PublishError."""
    digits = account.replace("-", "")
    if not _ACCOUNT.fullmatch(digits):
        raise PublishError(
            f"an AWS account id has 12 digits, found {account!r}", resolution="give the account id with --user"
        )
    return digits


def check_prefix(prefix: str) -> str:
    """Raises PublishError for a prefix that is no plain file name."""
    if not _PLAIN_NAME.fullmatch(prefix) or len(prefix) > 90:
        raise PublishError(
            f"{prefix!r} cannot be a bundle's prefix",
            details="allowed: up to 90 letters, digits and _ . + -, not starting with a dot or a dash",
            resolution="choose another with --prefix",
        )
    return prefix


def _leaf(tag: str, text: str, attributes: str = "") -> str:
    return f"<{tag}{attributes}>{escape(text)}</{tag}>"


def _element(tag: str, inner: str, attributes: str = "") -> str:
    return f"<{tag}{attributes}>{inner}</{tag}>"


def _machine_text(machine: Machine) -> str:
    inner = _leaf("architecture", machine.architecture)
    if machine.mappings:
        pairs = "".join(
            _element("mapping", _leaf("virtual", virtual) + _leaf("device", device))
            for virtual, device in machine.mappings
        )
        inner += _element("block_device_mapping", pairs)
    inner += _leaf("kernel_id", machine.kernel_id) if machine.kernel_id else ""
    inner += _leaf("ramdisk_id", machine.ramdisk_id) if machine.ramdisk_id else ""
    if machine.product_codes:
        inner += _element("product_codes", "".join(_leaf("product_code", code) for code in machine.product_codes))
    return _element("machine_configuration", inner)


def _image_text(manifest: Manifest) -> str:
    sha1, aes = ' algorithm="SHA1"', ' algorithm="AES-128-CBC"'
    parts = "".join(
        _element("part", _leaf("filename", part.filename) + _leaf("digest", part.sha1, sha1), f' index="{index}"')
        for index, part in enumerate(manifest.parts)
    )
    inner = (
        _leaf("name", manifest.name)
        + _leaf("user", manifest.account)
        + _leaf("type", "machine")
        + _leaf("digest", manifest.digest, sha1)
        + _leaf("size", str(manifest.size_bytes))
        + _leaf("bundled_size", str(manifest.bundled_bytes))
        + _leaf("ec2_encrypted_key", manifest.ec2_key, aes)
        + _leaf("user_encrypted_key", manifest.user_key, aes)
        + _leaf("ec2_encrypted_iv", manifest.ec2_iv)
        + _leaf("user_encrypted_iv", manifest.user_iv)
        + _element("parts", parts, f' count="{len(manifest.parts)}"')
    )
    return _element("image", inner)


def _manifest(root: ET.Element) -> Manifest:
    machine, image = _child(root, "machine_configuration"), _child(root, "image")
    parts = tuple(_parts(_child(image, "parts")))
    name = _text(image, "name")
    for filename in (name, *(part.filename for part in parts)):
        if not _PLAIN_NAME.fullmatch(filename) or len(filename) > _MOST_NAME_BYTES:
            raise _bad(f"{shortened(filename)} is not a plain file name of at most {_MOST_NAME_BYTES} characters")
    return Manifest(
        machine=Machine(
            architecture=_text(machine, "architecture"),
            kernel_id=machine.findtext("kernel_id") or None,
            ramdisk_id=machine.findtext("ramdisk_id") or None,
            mappings=tuple(
                (_text(mapping, "virtual"), _text(mapping, "device"))
                for mapping in machine.findall("block_device_mapping/mapping")
            ),
            product_codes=tuple(code.text or "" for code in machine.findall("product_codes/product_code")),
        ),
        name=name,
        account=_text(image, "user"),
        digest=_sha1(image),
        size_bytes=_whole_number(image, "size"),
        bundled_bytes=_whole_number(image, "bundled_size"),
        ec2_key=_text(image, "ec2_encrypted_key"),
        user_key=_text(image, "user_encrypted_key"),
        ec2_iv=_text(image, "ec2_encrypted_iv"),
        user_iv=_text(image, "user_encrypted_iv"),
        parts=parts,
        bundler=(
            root.findtext("bundler/name") or "",
            root.findtext("bundler/version") or "",
            root.findtext("bundler/release") or "",
        ),
    )


def _parts(element: ET.Element) -> list[Part]:
    found = {}
    for part in element.findall("part"):
        text = part.get("index", "")
        index = number_or_none(text, most=_MOST_PARTS)
        if index is None or index in found:
            raise _bad(f"the part index {shortened(text)} is no number, or there twice")
        found[index] = Part(_text(part, "filename"), _sha1(part))
    if str(len(found)) != element.get("count") or sorted(found) != list(range(len(found))):
        raise _bad(f"it declares {element.get('count')} parts and lists {len(found)}")
    if not found:
        raise _bad("it lists no part")
    return [found[index] for index in range(len(found))]


def _sha1(element: ET.Element) -> str:
    digest = _child(element, "digest")
    if digest.get("algorithm") != "SHA1" or not _SHA1.fullmatch((digest.text or "").strip()):
        raise _bad(f"a digest in <{element.tag}> is not a SHA1")
    return (digest.text or "").strip()


def _child(element: ET.Element, tag: str) -> ET.Element:
    found = element.findall(tag)
    if len(found) != 1:
        raise _bad(f"<{element.tag}> has {len(found) or 'no'} <{tag}>, one is needed")
    return found[0]


def _text(element: ET.Element, tag: str) -> str:
    return (_child(element, tag).text or "").strip()


def _whole_number(element: ET.Element, tag: str) -> int:
    text = _text(element, tag)
    try:
        return number(text, most=_MOST_BYTES)
    except ForeignError:
        raise _bad(f"<{tag}> is {shortened(text)}, not a number of bytes") from None


def _cut(data: bytes, tag: bytes) -> bytes:
    opening, closing = b"<" + tag + b">", b"</" + tag + b">"
    if data.count(opening) != 1 or data.count(closing) != 1:
        raise _bad(f"<{tag.decode()}> is not there exactly once")
    return data[data.index(opening) : data.index(closing) + len(closing)]


def _bad(reason: str) -> PublishError:
    return PublishError(f"the manifest cannot be read: {reason}", resolution="fetch it again, or make the bundle again")
