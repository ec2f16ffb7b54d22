"""A bundle back into its image: every part checked before it is used, and no output unless everything was right."""

from __future__ import annotations

import contextlib
import hashlib
import os
import zlib
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from imagebuild.errors import PublishError
from imagebuild.publish.ec2.bundle import PART_BYTES, Meter
from imagebuild.publish.ec2.gzip_stream import decompressed
from imagebuild.publish.ec2.keys import SessionKey, decrypt_hex, signature_fits
from imagebuild.publish.ec2.manifest import MOST_IMAGE_BYTES, Manifest, SignedManifest, read_manifest
from imagebuild.publish.ec2.tar_reader import TarError, extract
from imagebuild.recipe.named_file import read_whole

_MOST_MANIFEST_BYTES = 8 * 2**20  # 1,025 parts make some 200 KB
_FETCH_AGAIN = "fetch the bundle again"


def read_bundle(
    manifest_path: Path, private: RSAPrivateKey, target: Path, *, meter: Meter = lambda done, total: None
) -> Manifest:
    """Write the image to `target`, which must not exist; `target` appears only when all is right.

    Raises PublishError, each case in its own words: a wrong key, a tampered manifest, a part that is missing, tampered
    or truncated, a content that is not what the manifest declares.
    """
    signed = open_manifest(manifest_path)
    manifest, session = signed.manifest, unlock(signed, private)
    if target.exists():
        raise PublishError(f"{target} exists already", resolution="remove it, or choose another directory with -d")
    if manifest.size_bytes > MOST_IMAGE_BYTES:
        raise PublishError(f"the manifest declares {manifest.size_bytes} bytes, more than the 10 GiB of the format")
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.partial")
    try:
        with partial.open("wb", buffering=0) as file:
            _extract(manifest_path.parent, manifest, session, file.fileno(), meter)
        partial.rename(target)
    finally:
        partial.unlink(missing_ok=True)
    return manifest


def open_manifest(path: Path) -> SignedManifest:
    """Raises PublishError when it is not there, or is no manifest."""
    try:
        data = read_whole(path, _MOST_MANIFEST_BYTES)
    except OSError as error:
        raise PublishError(f"{path} cannot be read: {error.strerror}", resolution="check the path") from error
    return read_manifest(data)


def unlock(signed: SignedManifest, private: RSAPrivateKey) -> SessionKey:
    """The bundle's AES key and IV. Raises PublishError: a wrong key, or a tampered manifest."""
    manifest = signed.manifest
    fits = signature_fits(private.public_key(), signed.signature, signed.signed_text)
    key, iv = decrypt_hex(private, manifest.user_key), decrypt_hex(private, manifest.user_iv)
    if key is not None and iv is not None and fits:
        return SessionKey(key, iv)
    if key is None and iv is None and not fits:
        raise PublishError(
            "this private key is not the one that the bundle was made with",
            details="it opens neither the bundle's key nor does it fit the manifest's signature",
            resolution="give the private key of the account that made the bundle with --key",
        )
    raise PublishError(
        "the manifest was changed after it was signed",
        details="its signature does not fit its text" if not fits else "its encrypted keys are damaged",
        resolution=_FETCH_AGAIN,
    )


def _extract(folder: Path, manifest: Manifest, session: SessionKey, descriptor: int, meter: Meter) -> None:
    digest = hashlib.sha1()  # the format's

    def watched() -> Iterator[bytes]:
        for piece in decompressed(chunks):
            digest.update(piece)
            yield piece

    with contextlib.closing(_decrypted(folder, manifest, session, meter)) as chunks:
        try:
            extract(watched(), descriptor, manifest.size_bytes)
        except TarError as error:
            raise PublishError(f"the bundle cannot be unpacked: {error}", resolution=_FETCH_AGAIN) from None
        except (zlib.error, EOFError):
            raise PublishError(
                "the bundle cannot be unpacked: what was decrypted is no gzip stream", resolution=_FETCH_AGAIN
            ) from None
    if digest.hexdigest() != manifest.digest:
        raise PublishError(
            "the bundle's content is not what the manifest declares",
            details=f"SHA-1 of the archive: {digest.hexdigest()}, promised: {manifest.digest}",
            resolution=_FETCH_AGAIN,
        )
    os.fsync(descriptor)


def _decrypted(folder: Path, manifest: Manifest, session: SessionKey, meter: Meter) -> Generator[bytes, None, None]:
    """The gzip stream. The next part is read and decrypted on a thread while the last one is unpacked."""
    cipher = Cipher(algorithms.AES128(session.key), modes.CBC(session.iv)).decryptor()
    unpadder = PKCS7(128).unpadder()
    done = 0

    def open_part(index: int) -> tuple[int, bytes]:
        data = checked_part(folder, manifest, index)
        return len(data), unpadder.update(cipher.update(data))

    with ThreadPoolExecutor(1, thread_name_prefix="decrypt") as pool:
        coming = pool.submit(open_part, 0)
        for index in range(len(manifest.parts)):
            length, chunk = coming.result()
            if index + 1 < len(manifest.parts):
                coming = pool.submit(open_part, index + 1)
            done += length
            yield chunk
            meter(done, manifest.bundled_bytes)
    try:
        yield unpadder.update(cipher.finalize()) + unpadder.finalize()
    except ValueError:
        raise PublishError(
            "the bundle's last block is damaged: its padding is wrong", resolution=_FETCH_AGAIN
        ) from None


def checked_part(folder: Path, manifest: Manifest, index: int) -> bytes:
    """The bytes of a part whose SHA-1 is the manifest's. Raises PublishError: missing, truncated or tampered."""
    part = manifest.parts[index]
    path = folder / part.filename
    try:
        data = read_whole(path, PART_BYTES)
    except OSError as error:
        raise PublishError(
            f"part {index} ({part.filename}) cannot be read: {error.strerror}",
            resolution=f"put all {len(manifest.parts)} parts beside the manifest",
        ) from error
    if hashlib.sha1(data).hexdigest() == part.sha1:
        return data
    expected = min(PART_BYTES, max(0, manifest.bundled_bytes - index * PART_BYTES))
    if len(data) < expected:
        raise PublishError(
            f"part {index} ({part.filename}) is truncated: {len(data)} bytes, {expected} expected",
            resolution="fetch that part again",
        )
    raise PublishError(
        f"part {index} ({part.filename}) was changed: its SHA-1 is not the manifest's",
        resolution="fetch that part again",
    )
