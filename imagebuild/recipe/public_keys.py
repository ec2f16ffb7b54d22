"""SSH public keys as OpenSSH writes them (sshd(8), AUTHORIZED_KEYS FILE FORMAT; RFC 4253, 6.6). Pure.

A private key is told from a public one, whatever its form, so that it never gets into an image.
"""

from __future__ import annotations

import base64
import binascii
import re

# sshd's HostKeyAlgorithms without certificates; ssh-dss was switched off in OpenSSH 7.0 and removed in 10.0.
TYPES = (
    "ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com",
)  # fmt: skip
_LINE = re.compile(
    r'(?:(?P<options>(?:[^\s"#]|"(?:\\.|[^"\\])*")+)[ \t]+)??'
    rf"(?P<type>{'|'.join(map(re.escape, TYPES))})[ \t]+(?P<blob>[A-Za-z0-9+/]+=*)(?:[ \t]+(?P<comment>.*))?"
)
_PRIVATE = (b"PRIVATE KEY-----", b"PuTTY-User-Key-File", b"SSH PRIVATE KEY FILE")
MOST_BYTES = 2**20


def is_written_out(value: str) -> bool:
    """Whether it is a key itself, not the name of a file that holds some. A private one is a key, too."""
    first = value.split(maxsplit=1)[:1]
    return (bool(first) and first[0] in TYPES) or any(mark.decode() in value for mark in _PRIVATE)


def public_keys(content: bytes) -> tuple[str, ...]:
    """The lines for authorized_keys, in their order. Raises ValueError for anything that is not public keys alone.

    The message never shows what was found.
    """
    if any(mark in content for mark in _PRIVATE):
        raise ValueError(
            "this is a PRIVATE key, which must never be in an image; name the public one, which ends in .pub"
        )
    if len(content) > MOST_BYTES:
        raise ValueError("it is larger than 1 MiB: not a file of public keys")
    if b"BEGIN SSH2 PUBLIC KEY" in content:
        raise ValueError("this is a public key in another form (RFC 4716); make it OpenSSH's: ssh-keygen -i -f FILE")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError("not a text, so not a public key; a key begins with ssh-ed25519, ssh-rsa …") from None
    found = [
        _key(line.strip(), number)
        for number, line in enumerate(text.splitlines(), start=1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    if not found:
        raise ValueError("there is no key in it")
    return tuple(dict.fromkeys(found))


def _key(line: str, number: int) -> str:
    match = _LINE.fullmatch(line)
    if match is None:
        raise ValueError(f"line {number} is not an OpenSSH public key; a key begins with {', '.join(TYPES[:3])} …")
    if not _is_whole(match["type"], match["blob"]):
        raise ValueError(
            f"the {match['type']} key in line {number} is damaged: copy it again, complete and on one line"
        )
    if any(ord(letter) < 32 and letter != "\t" for letter in line):
        raise ValueError(f"line {number} holds a control character")
    return line


def _is_whole(kind: str, blob: str) -> bool:
    """Fields with their lengths before them, the first of which is the type, and nothing is left at the end."""
    try:
        data = base64.b64decode(blob, validate=True)
    except binascii.Error:
        return False
    fields = []
    while data:
        length = int.from_bytes(data[:4], "big")
        if len(data) < 4 + length:
            return False
        fields.append(data[4 : 4 + length])
        data = data[4 + length :]
    return len(fields) > 1 and fields[0] == kind.encode() and all(fields)
