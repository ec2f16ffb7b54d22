"""Certificates and private keys of a bundle: read, fitted together, used. Nothing of a key ever enters a message.

RSA, PKCS#1 v1.5 throughout, and SHA-1 for the signature: that is the bundle's format (2006), not a choice.
"""

from __future__ import annotations

import re
import secrets
import warnings
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from imagebuild.errors import PublishError
from imagebuild.recipe.named_file import read_whole

_MOST_BYTES = 2**20  # of a key or a certificate in PEM
_HEX_KEY = re.compile(rb"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class SessionKey:
    """One bundle's AES key and IV, 16 bytes each. Shown as nothing."""

    key: bytes = field(repr=False)
    iv: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class BundleKeys:
    """The user's private key and public key, and EC2's public key."""

    private: rsa.RSAPrivateKey = field(repr=False)
    user: rsa.RSAPublicKey = field(repr=False)
    ec2: rsa.RSAPublicKey = field(repr=False)


def new_session_key() -> SessionKey:
    return SessionKey(secrets.token_bytes(16), secrets.token_bytes(16))


def load_keys(*, private_key: Path, certificate: Path, ec2_certificate: Path) -> BundleKeys:
    """Read all three PEM files. Raises PublishError: unreadable, no RSA, encrypted, or key and certificate differ.

    Validity dates are not looked at: EC2's own certificates expired years ago and still are the right ones.
    """
    private = load_private_key(private_key)
    user = load_certificate(certificate)
    if user.public_numbers() != private.public_key().public_numbers():
        raise PublishError(
            f"the private key {private_key} does not belong to the certificate {certificate}",
            resolution="give the certificate and the private key that were made together",
        )
    return BundleKeys(private, user, load_certificate(ec2_certificate))


def load_private_key(path: Path) -> rsa.RSAPrivateKey:
    """Raises PublishError for what is no unencrypted RSA key in PEM. What the file holds is never quoted."""
    data = _read(path)
    try:
        key = serialization.load_pem_private_key(data, password=None)
    except TypeError:
        raise PublishError(
            f"the private key {path} is protected by a passphrase",
            resolution=f"write a copy without one for this run: openssl rsa -in {path} -out COPY",
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise PublishError(
            f"{path} contains no private key in PEM format",
            resolution="give the RSA private key (-----BEGIN … PRIVATE KEY-----) with --key",
        ) from None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise PublishError(f"the private key {path} is not an RSA key", resolution="the bundle's format needs RSA")
    return key


def load_certificate(path: Path) -> rsa.RSAPublicKey:
    """The public key of an X.509 certificate in PEM. Raises PublishError for anything else."""
    data = _read(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is odd about EC2's old certificates does not matter here
            key = x509.load_pem_x509_certificate(data).public_key()
    except (ValueError, UnsupportedAlgorithm):
        raise PublishError(
            f"{path} contains no X.509 certificate in PEM format",
            resolution="give a file that starts with -----BEGIN CERTIFICATE-----",
        ) from None
    if not isinstance(key, rsa.RSAPublicKey):
        raise PublishError(f"the certificate {path} is not for an RSA key", resolution="the bundle's format needs RSA")
    return key


def encrypt_hex(public: rsa.RSAPublicKey, secret: bytes) -> str:
    """The hexadecimal text of `secret`, encrypted for `public`, as hexadecimal text."""
    return public.encrypt(secret.hex().encode("ascii"), padding.PKCS1v15()).hex()


def decrypt_hex(private: rsa.RSAPrivateKey, text: str) -> bytes | None:
    """The 16 secret bytes in `text`; None when it was not encrypted for this key.

    OpenSSL answers a wrong key with random bytes rather than with an error: only 32 hexadecimal digits are a key.
    """
    try:
        plain = private.decrypt(bytes.fromhex(text), padding.PKCS1v15())
    except ValueError:
        return None
    return bytes.fromhex(plain.decode("ascii")) if _HEX_KEY.fullmatch(plain) else None


def sign(private: rsa.RSAPrivateKey, text: bytes) -> str:
    """RSA PKCS#1 v1.5 with SHA-1, as hexadecimal text."""
    return private.sign(text, padding.PKCS1v15(), hashes.SHA1()).hex()


def signature_fits(public: rsa.RSAPublicKey, signature: str, text: bytes) -> bool:
    try:
        public.verify(bytes.fromhex(signature), text, padding.PKCS1v15(), hashes.SHA1())
    except (InvalidSignature, ValueError):
        return False
    return True


def _read(path: Path) -> bytes:
    try:
        return read_whole(path, _MOST_BYTES)
    except OSError as error:
        raise PublishError(f"{path} cannot be read: {error.strerror}", resolution="check the path") from error
