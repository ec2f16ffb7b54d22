"""What nights need beside imagebuild's own dependencies: the extra `nightly` of the wheel."""

from __future__ import annotations

import importlib.util

from imagebuild.errors import HostError

_ALWAYS = ("distributed", "fsspec")
_BY_SCHEME = {"s3": "obstore", "gs": "obstore", "az": "obstore", "abfs": "obstore"}
COMMAND = "pip install imagebuild[nightly]"


def require_extra(output: str = "") -> None:
    """Raises HostError unless the modules for a night into that directory or URL are installed."""
    scheme = output.partition("://")[0] if "://" in output else ""
    wanted = [*_ALWAYS, *filter(None, [_BY_SCHEME.get(scheme)])]
    lacking = [name for name in wanted if importlib.util.find_spec(name) is None]
    if lacking:
        raise HostError(
            f"nights and workers need Python modules that are not installed: {', '.join(lacking)}",
            resolution=f"run: {COMMAND}",
        )
