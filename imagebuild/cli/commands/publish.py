"""`publish`: an image into EC2. The parameters are called as the fields of the plan's Publication."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from imagebuild.cli.ec2_options import Arch, Cert, Ec2Cert, Kernel, Key, Loader, Mappings, Ramdisk, RawImage, User
from imagebuild.cli.options import PV_GRUB_OPTION, AsJson, Debug, Settings
from imagebuild.cli.output import say_json, say_text
from imagebuild.errors import OK
from imagebuild.vocabulary import Ec2BootMode

if TYPE_CHECKING:
    from imagebuild.operations.publish import DryRun
    from imagebuild.publish.ec2.publication import Published


def publish(
    context: typer.Context,
    image: RawImage,
    regions: Annotated[
        list[str] | None,
        typer.Option(
            "--region",
            metavar="R",
            help="Region (repeatable): imagebuild writes to the first and copies to the others.",
        ),
    ] = None,
    recipe: Annotated[
        Path | None,
        typer.Option("--recipe", metavar="RECIPE", help="Take missing options from the recipe's ec2: section."),
    ] = None,
    settings: Settings = None,
    store: Annotated[
        Literal["ebs", "instance-store"] | None,
        typer.Option("--store", help="ebs (a snapshot, the default) or instance-store."),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="Name of the AMI (default: from image and sha256).")
    ] = None,
    description: Annotated[
        str | None, typer.Option("--description", metavar="TEXT", help="Description of the AMI.")
    ] = None,
    virtualization: Annotated[
        Literal["paravirtual", "hvm"] | None,
        typer.Option("--virtualization", help="Default: paravirtual. hvm needs boot code in the image."),
    ] = None,
    architecture: Arch = None,
    kernel_id: Kernel = None,
    ramdisk_id: Ramdisk = None,
    pv_grub: Annotated[
        str | None,
        typer.Option(
            f"{PV_GRUB_OPTION}-version", metavar="V", help="PV-GRUB version (default: newest that starts the image)."
        ),
    ] = None,
    loader: Loader = None,
    ask_aws: Annotated[
        bool, typer.Option("--ask-aws", help="Query AWS for AKIs instead of imagebuild's table.")
    ] = False,
    boot_mode: Annotated[
        Ec2BootMode | None,
        typer.Option("--boot-mode", help="For hvm: how EC2 starts it; the report must contain that boot."),
    ] = None,
    ena: Annotated[bool, typer.Option("--ena", help="For hvm: the kernel has the ENA driver.")] = False,
    volume_type: Annotated[
        str | None, typer.Option("--volume-type", metavar="TYPE", help="For ebs: volume type (default: gp2).")
    ] = None,
    bucket: Annotated[
        str | None,
        typer.Option("--bucket", metavar="B[/DIR]", help="For instance-store: bucket; {region} is replaced."),
    ] = None,
    account: User = None,
    certificate: Cert = None,
    private_key: Key = None,
    ec2_certificate: Ec2Cert = None,
    mappings: Mappings = None,
    tags: Annotated[
        list[str] | None, typer.Option("--tag", metavar="KEY=VALUE", help="Tag of the AMI and snapshot (repeatable).")
    ] = None,
    permissions: Annotated[
        list[str] | None,
        typer.Option(
            "--launch-permission", metavar="WHO", help="Account id that may start the AMI, or all (repeatable)."
        ),
    ] = None,
    report: Annotated[Path | None, typer.Option("--report", metavar="FILE", help="The image's report.json.")] = None,
    unverified: Annotated[bool, typer.Option("--unverified", help="Publish without a passing report.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the AWS calls without making them.")] = False,
    workers: Annotated[
        int, typer.Option("--workers", metavar="N", min=1, max=64, help="Number of parallel uploads.")
    ] = 8,
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """Upload a verified image to EC2 and register it as an AMI; a second run changes nothing.

    Credentials come from boto3's usual places (AWS_PROFILE, ~/.aws, SSO, instance role). imagebuild refuses an image
    without a passing report. Paravirtual images run only on EC2's previous-generation instances.

    \b
    Examples:
      imagebuild publish out/web/web.raw --region us-east-1 --region eu-west-1
      imagebuild publish out/web/web.raw --recipe web.yaml --dry-run
      imagebuild publish out/web/web.raw --region us-east-1 \\
          --store instance-store --bucket my-images --user 123456789012 \\
          --cert cert.pem --key pk.pem --ec2cert cert-ec2.pem
    """

    from dataclasses import fields

    from imagebuild.cli.line_progress import LineProgress
    from imagebuild.host.cache import Cache
    from imagebuild.operations.publish import DryRun, PublishRequest, publish_image
    from imagebuild.operations.recipes import parse_settings
    from imagebuild.publish.ec2.plan import Publication

    request = PublishRequest(
        image=image,
        options={field.name: context.params[field.name] for field in fields(Publication) if field.name != "stem"},
        recipe=recipe,
        settings=parse_settings(settings or ()),
        certificate=certificate,
        private_key=private_key,
        ec2_certificate=ec2_certificate,
        report=report,
        unverified=unverified,
        dry_run=dry_run,
        workers=workers,
    )
    progress = LineProgress()
    done = publish_image(request, Cache(), progress, progress.meter)
    if isinstance(done, DryRun):
        _print_calls(done, as_json=as_json)
    else:
        _print_published(done, as_json=as_json)
    return OK


def _print_calls(run: DryRun, *, as_json: bool) -> None:
    import json

    if as_json:
        rows = [{"region": region, "call": call, "parameters": parameters} for region, call, parameters in run.calls]
        say_json(json.dumps({"notes": run.notes, "calls": rows}, indent=2, ensure_ascii=False))
        return
    for line in run.notes:
        say_text(line)
    for region, call, parameters in run.calls:
        say_text(f"{region}: {call} {json.dumps(parameters, ensure_ascii=False)}")
    say_text("dry run: no call was made; a real run leaves what already exists unchanged")


def _print_published(published: Sequence[Published], *, as_json: bool) -> None:
    import json
    from dataclasses import asdict

    if as_json:
        say_json(json.dumps([asdict(one) for one in published], indent=2))
        return
    for one in published:
        source = one.snapshot_id or one.location or ""
        kernel = f" {one.kernel_id}" if one.kernel_id else ""
        root = f" root {one.root_device}" if one.root_device else ""
        done = "" if one.changed else " (nothing to do)"
        facts = f"{one.virtualization} {one.architecture}{kernel}{root} {source}"
        say_text(f"{one.region}: {one.image_id} {one.name}: {facts}{done}")
