"""What is to be published, and the plan that follows from it: every decision, before anything is done.

`plan_publication` is pure but for asking AWS about AKIs where `ask_aws` says so. `calls`: what a run would ask of AWS.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from imagebuild.errors import PublishError
from imagebuild.formats.first_sectors import FirstSectors
from imagebuild.publish.ec2 import aki, register, requests, snapshot
from imagebuild.publish.ec2.aki import Aki, ImageKind
from imagebuild.publish.ec2.aws import Clients
from imagebuild.publish.ec2.instance_families import Virtualization, who_starts
from imagebuild.publish.ec2.manifest import MOST_IMAGE_BYTES, check_account, check_prefix
from imagebuild.publish.ec2.requests import Registration, Store
from imagebuild.publish.ec2.upload import split_bucket
from imagebuild.vocabulary import Architecture, Ec2BootMode, MachineName

Connect = Callable[[str], Clients]


@dataclass(frozen=True, slots=True)
class Publication:
    """Where an image goes, as what and for whom. `regions`: the first is written to, the others get copies.

    `name` None: computed. `kernel_id`: a wanted AKI, for one region; `pv_grub` and `loader` (hd0, hd00) narrow the
    choice otherwise. `bucket` may hold `{region}`. `account` is for instance-store, as the keys given to `publish` are.
    """

    regions: tuple[str, ...]
    store: Store = "ebs"
    virtualization: Virtualization = "paravirtual"
    architecture: Architecture = "x86_64"
    stem: str = "image"
    name: str | None = None
    description: str = ""
    kernel_id: str | None = None
    ramdisk_id: str | None = None
    pv_grub: str | None = None
    loader: str | None = None
    ask_aws: bool = False
    boot_mode: Ec2BootMode | None = None
    ena: bool = False
    volume_type: str = "gp2"
    bucket: str | None = None
    account: str | None = None
    mappings: tuple[tuple[str, str], ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    permissions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PublicationPlan:
    """One registration for each region, and what is worth saying about it."""

    publication: Publication
    registrations: Mapping[str, Registration]
    notes: tuple[str, ...]


def plan_publication(
    publication: Publication, sha256: str, size_bytes: int, sectors: FirstSectors, connect_to: Connect
) -> PublicationPlan:
    """Decide everything; AWS is asked only for AKIs, and only where `ask_aws` says so.

    Raises PublishError for what cannot be registered, or what could not start.
    """
    _check(publication, size_bytes, sectors)
    kind = ImageKind(sectors.table, publication.architecture)
    name = requests.check_name(publication.name or default_name(publication, sha256))
    registrations, notes = {}, []
    for region in publication.regions:
        kernel = None
        if publication.virtualization == "paravirtual":
            rows = register.ask_for_akis(connect_to(region)) if publication.ask_aws else None
            kernel, reason = _kernel(publication, kind, region, rows)
            notes.append(f"{region}: {kernel.id} ({kernel.name}): {reason}")
        notes += [f"{region}: {line}" for line in who_starts(publication.virtualization, region)]
        registrations[region] = Registration(
            name=name,
            sha256=sha256,
            store=publication.store,
            architecture=publication.architecture,
            virtualization=publication.virtualization,
            table=sectors.table,
            kernel_id=kernel.id if kernel else None,
            volume_gib=requests.volume_gib(size_bytes),
            volume_type=publication.volume_type,
            description=publication.description,
            boot_mode=publication.boot_mode,
            ena=publication.ena,
            mappings=publication.mappings,
            tags=requests.check_tags(publication.tags),
        )
    return PublicationPlan(publication, registrations, tuple(notes))


def proving(publication: Publication) -> tuple[MachineName, ...]:
    """The machines whose boots prove that an HVM image starts as it is registered."""
    found: dict[Ec2BootMode | None, tuple[MachineName, ...]] = {
        None: ("bios",), "legacy-bios": ("bios",), "uefi": ("uefi",), "uefi-preferred": ("bios", "uefi"),
    }  # fmt: skip
    return found[publication.boot_mode]


def default_name(publication: Publication, sha256: str) -> str:
    """`STEM-SHA12-pv-ebs`: the same for the same image, another for another."""
    virtual = "pv" if publication.virtualization == "paravirtual" else "hvm"
    return f"{publication.stem}-{sha256[:12]}-{virtual}-{'ebs' if publication.store == 'ebs' else 's3'}"


def calls(plan: PublicationPlan, image: Path, size_bytes: int) -> list[tuple[str, str, dict[str, Any]]]:
    """Region, operation and parameters of every changing call that a first run would make; nothing is asked."""
    listed: list[tuple[str, str, dict[str, Any]]] = []
    first = plan.publication.regions[0]
    for region, wanted in plan.registrations.items():
        if wanted.store == "instance-store":
            bucket = bucket_of(plan.publication, region)
            listed.append((region, "s3.PutObject", {"Bucket": bucket, "Key": "….part.NN and ….manifest.xml"}))
            wanted = replace(wanted, location=f"{bucket}/{bundle_prefix(plan)}.manifest.xml")
        elif region == first:
            count = snapshot.most_blocks(image, size_bytes)
            listed.append((region, "ebs.StartSnapshot", requests.start_snapshot_request(wanted)))
            listed.append((region, "ebs.PutSnapshotBlock", {"SnapshotId": "snap-…", "Blocks": f"up to {count}"}))
            listed.append((region, "ebs.CompleteSnapshot", {"SnapshotId": "snap-…"}))
        else:
            listed.append((region, "ec2.CopySnapshot", requests.copy_snapshot_request(wanted, first, "snap-…")))
        listed.append((region, "ec2.RegisterImage", requests.register_request(replace(wanted, snapshot_id="snap-…"))))
        if plan.publication.permissions:
            add = requests.launch_permissions(plan.publication.permissions)
            listed.append((region, "ec2.ModifyImageAttribute", {"ImageId": "ami-…", "LaunchPermission": {"Add": add}}))
    return listed


def _check(publication: Publication, size_bytes: int, sectors: FirstSectors) -> None:
    if not publication.regions:
        raise PublishError("no region given", resolution="give --region, or ec2.regions in the recipe")
    if len(set(publication.regions)) != len(publication.regions):
        raise PublishError("a region is given twice", resolution="give each region once")
    if len({_partition(region) for region in publication.regions}) > 1:
        raise PublishError(
            "these regions belong to different partitions of AWS: nothing can be copied between them",
            resolution="publish to each of aws, aws-cn and aws-us-gov on its own, with its own credentials",
        )
    if publication.kernel_id and len(publication.regions) > 1:
        raise PublishError("an AKI id is valid in one region only", resolution="leave --kernel out, or name one region")
    requests.launch_permissions(publication.permissions)
    aki.refuse_ramdisk(publication.ramdisk_id)
    if publication.virtualization == "hvm":
        _check_hvm(publication, sectors)
    elif publication.boot_mode:
        raise PublishError("a boot mode is for HVM images only", resolution="leave it out, or add --virtualization hvm")
    elif publication.ena:
        raise PublishError("EnaSupport is for HVM images only", resolution="leave --ena out")
    if publication.store == "instance-store":
        _check_instance_store(publication, size_bytes)


def _check_hvm(publication: Publication, sectors: FirstSectors) -> None:
    if publication.kernel_id or publication.pv_grub or publication.loader:
        raise PublishError("an HVM image has no AKI", resolution="leave --kernel and the options of the loader out")
    machines = proving(publication)
    if reason := sectors.why_not_hvm(bios="bios" in machines, uefi="uefi" in machines):
        raise PublishError(
            f"the image cannot be registered as HVM: {reason}",
            details="an HVM instance starts as a PC does, from boot code in the image; PV-GRUB needs none",
            resolution="build it with boot.modes: [bios, uefi] and verify again, or register it as paravirtual",
        )


def _check_instance_store(publication: Publication, size_bytes: int) -> None:
    if not publication.bucket or not publication.account:
        raise PublishError(
            "instance-store needs a bucket and an account id",
            resolution="give --bucket and --user (or ec2.bucket and ec2.account in the recipe)",
        )
    check_account(publication.account)
    buckets = {bucket_of(publication, region) for region in publication.regions}
    if len(buckets) < len(publication.regions):
        raise PublishError(
            "EC2 reads a bundle from a bucket of its own region: one bucket cannot serve several",
            resolution="write {region} into the bucket's name, such as images-{region}",
        )
    for bucket in buckets:
        split_bucket(bucket)
    if size_bytes > MOST_IMAGE_BYTES:
        raise PublishError(
            f"the image has {size_bytes} bytes, more than the 10 GiB of an instance-store image",
            resolution="publish it as an EBS snapshot",
        )


def _kernel(publication: Publication, kind: ImageKind, region: str, rows: Sequence[Aki] | None) -> tuple[Aki, str]:
    if publication.kernel_id:
        return aki.check(publication.kernel_id, kind, region, rows=rows), "as requested, and it fits"
    choice = aki.choose(kind, region, version=publication.pv_grub, layout=publication.loader, rows=rows)
    return choice.aki, choice.reason


def _partition(region: str) -> str:
    return "cn" if region.startswith("cn-") else "us-gov" if region.startswith("us-gov-") else "aws"


def bundle_prefix(plan: PublicationPlan) -> str:
    """The bundle's name in its bucket. Each AMI has its own: EC2 reads the bundle again whenever it starts one."""
    wanted = plan.registrations[plan.publication.regions[0]]
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", wanted.name).strip(".-")[:60]
    short = wanted.sha256[:12]
    return check_prefix(name if short in name else f"{name}-{short}".lstrip("-"))


def bucket_of(publication: Publication, region: str) -> str:
    """The bucket of one region: `{region}` in its name is filled in."""
    return (publication.bucket or "").replace("{region}", region)
