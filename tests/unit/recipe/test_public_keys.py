"""Public keys of every type that sshd takes, made by ssh-keygen; and nothing else."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from imagebuild.recipe.public_keys import public_keys


@pytest.mark.needs("ssh-keygen")
@pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa"])
def test_keys_of_ssh_keygen(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "a comment", "-f", path], check=True)
    line = path.with_suffix(".pub").read_text().strip()
    assert public_keys(f"# ours\n\n{line}\r\n{line}\n".encode()) == (line,)
    with_options = f'restrict,from="192.0.2.*",command="echo \\"ssh-rsa AAAA\\" x" {line}'
    assert public_keys(with_options.encode()) == (with_options,)
    assert subprocess.run(["ssh-keygen", "-l", "-f", "-"], input=line, text=True, check=False).returncode == 0
    for form in ([], ["-m", "PEM"], ["-m", "PKCS8"]):
        subprocess.run(["ssh-keygen", "-q", "-p", *form, "-N", "", "-P", "", "-f", path], check=True)
        with pytest.raises(ValueError, match="PRIVATE"):
            public_keys(path.read_bytes())
    for broken in (line[:40], line.replace(" ", "\n", 1), f"{line}\0", "x" * 2**21, f'command="x {line}'):
        with pytest.raises(ValueError, match=r"damaged|not an OpenSSH public key|control character|larger"):
            public_keys(broken.encode())
