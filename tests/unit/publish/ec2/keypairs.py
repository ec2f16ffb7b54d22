"""Throw-away RSA keys with certificates that expired long ago, as EC2's own did."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Pair:
    key: Path
    certificate: Path


def make_pair(folder: Path, name: str, bits: int = 2048) -> Pair:
    key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(datetime(2006, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2012, 1, 1, tzinfo=UTC))
        .sign(key, hashes.SHA256())
    )
    pair = Pair(folder / f"{name}-key.pem", folder / f"{name}-cert.pem")
    pair.key.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    pair.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return pair
