"""The options that the EC2 verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeVar

import typer

T = TypeVar("T")
RawImage = Annotated[Path, typer.Argument(metavar="IMAGE", help="A raw disk image.", show_default=False)]
Arch = Annotated[
    Literal["x86_64", "i386"] | None, typer.Option("--arch", help="Architecture (default: that of the image's kernel).")
]
Loader = Annotated[
    Literal["hd0", "hd00"] | None,
    typer.Option("--loader", "--layout", help="Kind of AKI; hd00 only for images with a partition table."),
]
Cert = Annotated[
    Path | None, typer.Option("--cert", metavar="CERT", envvar="EC2_CERT", help="Your X.509 certificate (PEM).")
]
Key = Annotated[
    Path | None,
    typer.Option("--key", metavar="KEY", envvar="EC2_PRIVATE_KEY", help="Its private key (PEM, RSA, no passphrase)."),
]
Ec2Cert = Annotated[
    Path | None,
    typer.Option(
        "--ec2cert",
        metavar="EC2CERT",
        envvar="EC2_EC2_CERT",
        help="EC2's certificate for the region (PEM; may have expired).",
    ),
]
User = Annotated[str | None, typer.Option("--user", metavar="ID", help="Account id, 12 digits.")]
Kernel = Annotated[
    str | None, typer.Option("--kernel", metavar="AKI", help="AKI to use; refused if it cannot start the image.")
]
Ramdisk = Annotated[str | None, typer.Option("--ramdisk", hidden=True)]
Mappings = Annotated[
    list[str] | None,
    typer.Option(
        "--block-device-mapping",
        "-B",
        metavar="VIRTUAL=DEVICE",
        help="Block device, such as ephemeral0=sdb (repeatable).",
    ),
]


def needed(value: T | None, option: str) -> T:
    """The value of an option that may also come from the environment. Raises PublishError when it is missing."""
    if value is None:
        from imagebuild.errors import PublishError

        raise PublishError(f"{option} is missing", resolution=f"give {option} (see --help)")
    return value
