"""The recipe's `ec2:` section: how `imagebuild publish --recipe` brings the image to Amazon EC2.

It says where to and under which name; it never holds a credential or a key. Paths count from the recipe's folder.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from imagebuild.recipe.words import Model, text
from imagebuild.vocabulary import Ec2BootMode

Region = Annotated[str, text(r"^[a-z]{2}(-[a-z]+)+-\d$", "a region is written like us-east-1", examples=["us-east-1"])]
Account = Annotated[str, text(r"^\d{12}$", "an account id has 12 digits, in quotes", examples=["123456789012"])]
AmiName = Annotated[
    str,
    text(
        r"^[A-Za-z0-9()\[\] ./\-'@_]{3,128}$",
        "an AMI's name has 3 to 128 letters, digits and ( ) [ ] space . / - ' @ _",
    ),
]
Bucket = Annotated[
    str,
    text(
        r"^[a-z0-9{}.-]{3,}(/.*)?$", "a bucket is BUCKET or BUCKET/PREFIX; {region} is allowed in it",
        examples=["images-{region}/debian"],
    ),
]  # fmt: skip
Version = Annotated[str, text(r"^\d+\.\d+$", "a version of PV-GRUB is written like 1.05, in quotes", examples=["1.05"])]
Device = Annotated[str, text(r"^(/dev/)?[a-z]{2,4}\d{0,2}$", "a device is written like sdb or /dev/sdb")]
Ephemeral = Annotated[str, text(r"^ephemeral\d{1,2}$", "an instance's own disk is ephemeral0, ephemeral1 …")]


class Ec2(Model):
    """The AMI to register."""

    regions: Annotated[tuple[Region, ...], Field(min_length=1)]
    """The snapshot is written to the first and copied to the others."""
    store: Literal["ebs", "instance-store"] = "ebs"
    """ebs: a snapshot. instance-store: a bundle in S3."""
    name: AmiName | None = None
    """The AMI's name, new for each image. Left out: recipe's name and version, and the image's sha256."""
    description: Annotated[str, Field(max_length=255)] = ""
    virtualization: Literal["paravirtual", "hvm"] = "paravirtual"
    """paravirtual: started by PV-GRUB, EC2's legacy path. hvm: for images with boot code and a flagged partition."""
    boot_mode: Ec2BootMode | None = None
    """hvm only: how EC2 starts it. The report has to hold that boot. Left out: as the instance type does by itself."""
    pv_grub: Version | None = None
    """The version of PV-GRUB. Left out: the newest that starts the image."""
    loader: Literal["hd0", "hd00"] | None = None
    """The kind of AKI. Left out: hd0 wherever it starts the image."""
    ena: bool = False
    """hvm only: the image's kernel has the ENA driver."""
    volume_type: Literal["standard", "gp2", "gp3", "io1", "io2", "st1", "sc1"] = "gp2"
    """ebs only: the root volume's type."""
    bucket: Bucket | None = None
    """instance-store only: BUCKET or BUCKET/PREFIX; {region} is filled in."""
    account: Account | None = None
    """instance-store only: the account that the bundle belongs to."""
    certificate: str | None = None
    """instance-store only: the account's X.509 certificate (the private key is given with --key)."""
    ec2_certificate: str | None = None
    """instance-store only: EC2's certificate for the region."""
    block_devices: dict[Device, Ephemeral] = Field(default_factory=dict)
    """Further disks, such as `sdb: ephemeral0`."""
    tags: dict[Annotated[str, Field(max_length=127)], Annotated[str, Field(max_length=255)]] = Field(
        default_factory=dict
    )
    """For the snapshot and the AMI."""
    launch_permissions: tuple[Account | Literal["all"], ...] = ()
    """Accounts that may start the AMI, or all."""

    @model_validator(mode="after")
    def _fitting(self) -> Ec2:
        if self.store == "instance-store" and (self.bucket is None or self.account is None):
            raise ValueError("store: instance-store needs bucket and account")
        if self.store == "ebs" and self.bucket is not None:
            raise ValueError("bucket needs store: instance-store")
        if self.virtualization == "hvm" and (self.pv_grub or self.loader):
            raise ValueError("pv_grub and loader need virtualization: paravirtual")
        if self.virtualization == "paravirtual" and self.boot_mode:
            raise ValueError("boot_mode needs virtualization: hvm")
        if self.virtualization == "paravirtual" and self.ena:
            raise ValueError("ena needs virtualization: hvm")
        return self
