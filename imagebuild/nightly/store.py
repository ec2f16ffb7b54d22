"""Where a night's results lie: a folder, or any place that fsspec reaches (file://, s3://, …).

    URL/NAME/RESULT/…       a result's files, RESULT being unique: a worker writes there, and nobody reads it yet
    URL/NAME/current.json   which RESULT is the published one: written last, by the one coordinator
    URL/nights/…            history.py
    URL/shared/…            shared.py
    URL/summary.html, summary.json, junit.xml

So a worker that dies leaves only files that no current.json names, two workers that built the same recipe leave one
published result, and a reader never sees half of one.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from imagebuild.errors import HostError, UsageError
from imagebuild.nightly.lock import hold_file, hold_object

CURRENT = "current.json"
RESERVED = ("nights", "shared")
_LOCK = ".nightly.lock"


class Store:
    """Files by name below a URL. Whatever goes wrong with the place itself is raised as HostError."""

    def __init__(self, url: str) -> None:
        import fsspec

        self.url = url.rstrip("/")
        with self._doors():
            _register(url)
            self._fs, self._root = fsspec.core.url_to_fs(self.url)

    @property
    def folder(self) -> Path | None:
        """The store as a folder of this machine, where it is one."""
        return Path(self._root) if self._is_local else None

    @property
    def _is_local(self) -> bool:
        protocol = self._fs.protocol
        return "file" in ([protocol] if isinstance(protocol, str) else protocol)

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    def read(self, name: str) -> bytes | None:
        """A file's content; None: there is none."""
        with self._doors():
            try:
                content: bytes = bytes(self._fs.cat_file(self._path(name)))
            except FileNotFoundError:
                return None
        return content

    def write(self, name: str, content: bytes) -> None:
        """Put a whole file into its place at once: readers see the older one or the new one."""
        with self._doors():
            if self._is_local:
                path = Path(self._path(name))
                path.parent.mkdir(parents=True, exist_ok=True)
                partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")
                try:
                    partial.write_bytes(content)
                    partial.replace(path)
                finally:
                    partial.unlink(missing_ok=True)
            else:
                self._fs.pipe_file(self._path(name), content)

    def upload(self, source: Path, name: str) -> None:
        with self._doors():
            if self._is_local:
                Path(self._path(name)).parent.mkdir(parents=True, exist_ok=True)
            self._fs.put_file(str(source), self._path(name))

    def upload_whole(self, source: Path, name: str) -> None:
        """As `upload`, under a name that others may look for at any time: on a disk it appears when it is complete."""
        if not self._is_local:  # an object store shows an object when it is complete
            self.upload(source, name)
            return
        partial = f"{name}.{uuid.uuid4().hex}.partial"
        self.upload(source, partial)
        with self._doors():
            Path(self._path(partial)).replace(self._path(name))

    def download(self, name: str, target: Path) -> bool:
        """Fetch a file; False: there is none."""
        with self._doors():
            try:
                self._fs.get_file(self._path(name), str(target))
            except FileNotFoundError:
                target.unlink(missing_ok=True)
                return False
        return True

    def mark(self, name: str) -> str:
        """What tells a changed file without reading it: size and ETag. Empty: it is not there."""
        with self._doors():
            try:
                info: dict[str, Any] = self._fs.info(self._path(name))
            except FileNotFoundError:
                return ""
        return f"{info['size']} {info.get('e_tag') or info.get('ETag') or ''}".strip()

    def names(self, folder: str) -> list[str]:
        """All files below a folder, by their names in the store."""
        with self._doors():
            self._fs.invalidate_cache()
            try:
                found = [str(path) for path in self._fs.find(self._path(folder))]
            except FileNotFoundError:
                return []
        root = self._root.lstrip("/")
        return sorted(path.lstrip("/").removeprefix(root).lstrip("/") for path in found)

    def remove(self, name: str) -> None:
        """Remove a file or a folder; one that is not there is no mistake."""
        with self._doors(), contextlib.suppress(FileNotFoundError):
            self._fs.rm(self._path(name), recursive=True)

    def sweep(self, name: str, keep: str) -> list[str]:
        """Remove every result of a recipe but the published one; returns what was removed."""
        results = {each.split("/")[1] for each in self.names(name) if each.count("/") >= 2}
        doomed = sorted(results - {keep})
        for result in doomed:
            self.remove(f"{name}/{result}")
        return doomed

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the store for one night. Raises BuildError when another night holds it."""
        if self._is_local:
            with self._doors():
                self._make_directory()
            with hold_file(Path(self._root) / _LOCK):
                yield
        else:
            with hold_object(self, _LOCK):
                yield

    def _make_directory(self) -> None:
        try:
            Path(self._root).mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise UsageError(self._root, "found a file; expected a directory, or the name of a new one") from None

    @contextlib.contextmanager
    def _doors(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise
        except OSError as error:
            if self._is_real_disk(error):
                raise
            raise self._unreachable(error) from error
        except (ImportError, ValueError, RuntimeError) as error:
            raise self._unreachable(error) from error
        except Exception as error:
            if type(error).__module__.split(".")[0] in ("obstore", "botocore", "s3fs", "aiohttp", "gcsfs", "adlfs"):
                raise self._unreachable(error) from error
            raise

    def _is_real_disk(self, error: OSError) -> bool:
        """A full disk, a missing permission: cli/ending.py has words for them."""
        return error.errno is not None and hasattr(self, "_fs") and self._is_local

    def _unreachable(self, error: BaseException) -> HostError:
        lines = str(error).splitlines() or [type(error).__name__]
        return HostError(
            f"{self.url} cannot be used",
            details="\n".join(lines[:5]),
            resolution="check the address and the rights; s3:// reads AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, "
            "AWS_REGION and AWS_ENDPOINT_URL, another protocol needs its fsspec package",
        )


def as_url(output: str) -> str:
    """A folder's name as a URL; a URL as it is."""
    return output if "://" in output else Path(output).absolute().as_uri()


def _register(url: str) -> None:
    """s3 by obstore (see pyproject.toml for why), unless another implementation has been registered."""
    if url.startswith("s3://"):
        from fsspec.registry import registry
        from obstore.fsspec import register

        if "s3" not in registry:
            register("s3")
