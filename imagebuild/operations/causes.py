"""What is to blame for a failure, as far as foreign programs' words tell: the network, which another attempt may mend,
or a full disk. The only place that reads such words; everybody else is handed the answer (events.Failed)."""

from __future__ import annotations

import re

from imagebuild.errors import BuildError, ImagebuildError, VerifyError

# glibc's gai_strerror(3) and strerror(3), curl's, apt's and wget's words for the same, and HTTP's own (RFC 9110: 429,
# 502-504). "Hash Sum mismatch" and "unexpected size" are apt's while a mirror is being updated.
_SIGNS = re.compile(
    r"""temporary\ failure\ (in\ name\ resolution|resolving) | could\ not\ resolve | name\ or\ service\ not\ known
    | connection\ (timed\ out|refused|reset|failed) | could\ not\ connect | unable\ to\ connect | cannot\ be\ reached
    | network\ is\ unreachable | no\ route\ to\ host | timed\ out\ while | operation\ timed\ out | read\ timed\ out
    | \b(429\s+too\ many|502\s+bad\ gateway|503\s+service\ unavailable|504\s+gateway) | hash\ sum\ mismatch
    | file\ has\ unexpected\ size | remote\ end\ closed\ connection | tls\ handshake\ timeout""",
    re.VERBOSE | re.IGNORECASE,
)
_FULL = "no space left"  # strerror(ENOSPC)


def sign_of_the_network(text: str) -> str:
    """The words that speak of the network, or an empty text."""
    found = _SIGNS.search(text)
    return found[0] if found else ""


def network_words(error: ImagebuildError) -> str:
    """The words that blame the network for a step that failed or a verification that could not be; else empty."""
    blamable = isinstance(error, (BuildError, VerifyError))
    return sign_of_the_network(f"{error.brief}\n{error.details}") if blamable else ""


def disk_was_full(error: ImagebuildError) -> bool:
    return _FULL in f"{error.brief}\n{error.details}".lower()
