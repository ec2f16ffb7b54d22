"""The files of a tar archive that the appliance wrote (rootfs/image.py): for what debugfs cannot read."""

from __future__ import annotations

import hashlib
import tarfile
from pathlib import Path

from imagebuild.diff.snapshot import FileFacts
from imagebuild.errors import VerifyError
from imagebuild.limits import HOLES

_TYPES = {
    tarfile.REGTYPE: "file", tarfile.AREGTYPE: "file", tarfile.GNUTYPE_SPARSE: "file", tarfile.DIRTYPE: "directory",
    tarfile.SYMTYPE: "link", tarfile.CHRTYPE: "character", tarfile.BLKTYPE: "block", tarfile.FIFOTYPE: "fifo",
}  # fmt: skip
_XATTR = "SCHILY.xattr."


def tar_files(archive: Path) -> dict[str, FileFacts]:
    """Every member by its absolute path; hard links have their first name's facts. Raises VerifyError."""
    files: dict[str, FileFacts] = {}
    left_bytes = archive.stat().st_size + HOLES.most
    with tarfile.open(archive, errors="surrogateescape") as tar:
        for member in tar:
            path = "/" + member.name.removeprefix("./").strip("/") if member.name != "." else "/"
            if member.islnk():
                files[path] = files["/" + member.linkname.removeprefix("./")]
                continue
            left_bytes -= member.size if member.isreg() else 0
            if left_bytes < 0:
                raise VerifyError(f"the image's files have far more bytes than it has itself: {HOLES.exceeded}")
            kind = _TYPES.get(member.type, "unknown")
            content = tar.extractfile(member) if kind == "file" else None
            digest = hashlib.file_digest(content, "sha256").hexdigest() if content else ""  # type: ignore[arg-type]
            attributes = [(key.removeprefix(_XATTR), value) for key, value in member.pax_headers.items()
                          if key.startswith(_XATTR)]  # fmt: skip
            files[path] = FileFacts(
                type=kind,
                mode=member.mode & 0o7777,
                uid=member.uid,
                gid=member.gid,
                size_bytes=member.size if kind == "file" else 0,
                sha256=digest,
                target=member.linkname if kind == "link" else "",
                device=f"{member.devmajor}:{member.devminor}" if kind in ("character", "block") else "",
                xattrs=tuple(
                    sorted((name, value.encode("utf-8", "surrogateescape").hex(" ")) for name, value in attributes)
                ),
            )
    return files
