"""A detached signature by ssh-keygen -Y (ssh-keygen(1)): SHA256SUMS.sig, which covers everything that SHA256SUMS lists.

    ssh-keygen -Y verify -f allowed_signers -I WHO -n imagebuild -s SHA256SUMS.sig < SHA256SUMS

The key stays where it is: only ssh-keygen reads it, and nothing of it is logged. A public key stands for the private
one that an ssh-agent holds.
"""

from __future__ import annotations

import os
from pathlib import Path

from imagebuild.errors import BuildError, HostError, Problem, RecipeError
from imagebuild.host import command
from imagebuild.host.scratch import scratch_folder

NAMESPACE = "imagebuild"
_TIMEOUT_SECONDS = 60


def check_key(key: Path) -> None:
    """Try the key before hours of work depend on it. Raises RecipeError, HostError."""
    if not key.is_file():
        raise RecipeError(
            [Problem("--sign-key", 0, 0, "", f"there is no key {key}; name a private (or agent's public) key")]
        )
    try:
        sign("imagebuild: a try", key)
    except BuildError as error:
        raise HostError(f"the key {key} cannot sign", details=error.details, resolution=error.resolution) from error


def sign(text: str, key: Path) -> str:
    """The armored signature of a text. Raises BuildError when ssh-keygen refuses."""
    command.require("ssh-keygen", "openssh-client")
    # the agent's socket is not among what children are told otherwise
    agent = {"SSH_AUTH_SOCK": os.environ["SSH_AUTH_SOCK"]} if os.environ.get("SSH_AUTH_SOCK") else {}
    with scratch_folder() as folder:
        message = folder / "message"
        message.write_text(text, encoding="utf-8")
        words = ["ssh-keygen", "-q", "-Y", "sign", "-f", str(key.absolute()), "-n", NAMESPACE, str(message)]
        finished = command.attempt(words, environment={**agent, "SSH_ASKPASS_REQUIRE": "never"},
                                   timeout_seconds=_TIMEOUT_SECONDS)  # fmt: skip
        signature = Path(f"{message}.sig")
        if finished.exit_code != 0 or not signature.is_file():
            raise BuildError(
                "SHA256SUMS could not be signed",
                details=finished.tail(),
                resolution="load a key with a passphrase into an ssh-agent: ssh-add KEY, then --sign-key KEY.pub",
            )
        return signature.read_text(encoding="ascii")
