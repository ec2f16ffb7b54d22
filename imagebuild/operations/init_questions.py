"""What `init` asks: each question with the option that answers it, its default, and when to answer what."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from imagebuild.recipe.named_file import read_whole
from imagebuild.recipe.public_keys import MOST_BYTES, public_keys
from imagebuild.vocabulary import GENUINE, ROOT_TYPES, USUAL_ROOT, Layout

SUITES = ("bookworm", "trixie", "bullseye")
NOBODY = "none"


@dataclass(frozen=True, slots=True)
class Question:
    """`choices` empty: any text; `open`: another text is taken, too. `reason`: when to answer what, a line each."""

    text: str
    default: str
    option: str
    choices: tuple[str, ...] = ()
    open: bool = False
    reason: str = ""

    def chosen(self, answer: str) -> str:
        """The answer, its first letters being enough for a choice. Raises ValueError for none of the choices."""
        answer = answer.strip() or self.default
        begun = [choice for choice in self.choices if choice.startswith(answer)]
        if not self.choices or answer in self.choices:
            return answer
        if len(begun) == 1:
            return begun[0]
        if self.open:
            return answer
        raise ValueError(f"{answer!r} is not a choice; enter {', '.join(self.choices[:-1])} or {self.choices[-1]}")


NAME = Question("Name of the image", "my-image", "--name")
SUITE = Question("Debian release", "bookworm", "--suite", SUITES, open=True,
                 reason="bookworm is Debian 12, trixie is Debian 13 (stable since August 2025).")  # fmt: skip
LAYOUT = Question(
    "Layout", "hd0", "--layout", get_args(Layout),
    reason=f"hd0: one filesystem fills the disk. The simplest; EC2 starts it with {GENUINE}-hd0.\n"
    f"hd00: a partition table. For LVM, swap or a /boot of its own; EC2 starts it with {GENUINE}-hd00.",
)  # fmt: skip
LVM = Question("LVM", "no", "--lvm", ("yes", "no"), reason="yes: the root can grow over more disks later.")
FILESYSTEM = Question("Root filesystem", USUAL_ROOT, "--filesystem", ROOT_TYPES)
SIZE = Question("Size of the disk", "auto", "--size",
                reason="auto: as large as the content needs, and 20% more. 4GiB: that size.")  # fmt: skip
HOSTNAME = Question("Host name", "debian", "--hostname")
USER = Question("User", NOBODY, "--user",
                reason="A name: that user can log in with an SSH key. none: nobody can log in.")  # fmt: skip
KEY = Question("SSH public key", "", "--ssh-key",
               reason="Paste the key (ssh-ed25519 AAAA…), or name its file (~/.ssh/id_ed25519.pub).")  # fmt: skip


def read_key(answer: str) -> str:
    """The lines of the key, from the text itself or from a file. Raises ValueError, never with what it read."""
    if not answer:
        raise ValueError("a key is needed here: without one the user cannot log in")
    try:
        content = answer.encode() if " " in answer else read_whole(Path(answer).expanduser(), MOST_BYTES)
    except OSError as error:
        raise ValueError(f"this is neither a public key nor a file that can be read: {error.strerror}") from None
    return "\n".join(public_keys(content))
