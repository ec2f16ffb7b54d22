"""The verbs for EC2: aki, bundle, unbundle, publish. Options only; the work is in the modules of their names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal, Protocol, TypeVar

import typer

from imagebuild.cli.options import AsJson, Debug, Settings

Work = Callable[[], int]
T = TypeVar("T")
RawImage = Annotated[Path, typer.Argument(metavar="IMAGE", help="A raw disk image.", show_default=False)]
Arch = Annotated[
    Literal["x86_64", "i386"] | None, typer.Option("--arch", help="Default: that of the kernel in the image.")
]
Loader = Annotated[
    Literal["hd0", "hd00"] | None,
    typer.Option("--loader", "--layout", help="The kind of AKI; hd00 is for images with a partition table only."),
]
Cert = Annotated[Path | None, typer.Option("--cert", envvar="EC2_CERT", help="Your X.509 certificate (PEM).")]
Key = Annotated[
    Path | None, typer.Option("--key", envvar="EC2_PRIVATE_KEY", help="Its private key (PEM, RSA, no passphrase).")
]
Ec2Cert = Annotated[
    Path | None,
    typer.Option("--ec2cert", envvar="EC2_EC2_CERT", help="EC2's certificate for the region (PEM; may have expired)."),
]
User = Annotated[str | None, typer.Option("--user", metavar="ID", help="Account id, 12 digits.")]
Kernel = Annotated[str | None, typer.Option("--kernel", metavar="AKI", help="The AKI; refused if it does not fit.")]
Ramdisk = Annotated[str | None, typer.Option("--ramdisk", hidden=True)]
Mappings = Annotated[
    list[str] | None,
    typer.Option("--block-device-mapping", "-B", metavar="VIRTUAL=DEVICE", help="Such as ephemeral0=sdb; repeatable."),
]


class Do(Protocol):
    def __call__(self, context: typer.Context, work: Work, *, debug: bool = False) -> None: ...


def add_ec2_verbs(app: typer.Typer, do: Do) -> None:
    """Register the four verbs; `do` keeps the work until the parser has ended."""
    _add_aki(app, do)
    _add_bundle(app, do)
    _add_unbundle(app, do)
    _add_publish(app, do)


def _add_aki(app: typer.Typer, do: Do) -> None:
    @app.command(short_help="List the PV-GRUB AKIs of EC2, or choose the right one.")
    def aki(
        context: typer.Context,
        region: Annotated[str | None, typer.Option("--region", metavar="R", help="Such as us-east-1.")] = None,
        arch: Arch = None,
        loader: Loader = None,
        version: Annotated[str | None, typer.Option("--version", metavar="V", help="Of PV-GRUB, such as 1.05.")] = None,
        image: Annotated[
            Path | None, typer.Option("--for", metavar="IMAGE", help="Look into this image and choose.")
        ] = None,
        kernel: Kernel = None,
        ask_aws: Annotated[
            bool, typer.Option("--ask-aws", help="Ask DescribeImages rather than imagebuild's own table.")
        ] = False,
        as_json: AsJson = False,
        debug: Debug = False,
    ) -> None:
        """List the AKIs (Amazon Kernel Images) that are PV-GRUB, or choose the right one for an image.

        PV is EC2's legacy path: only instances of the previous generation start it.

        \b
        Examples:
          imagebuild aki --region us-east-1 --version 1.05
          imagebuild aki --for out/web/web.raw --region eu-west-1
          imagebuild aki --for out/web/web.raw --region eu-west-1 --kernel aki-52a34525
        """

        def work() -> int:
            from imagebuild.cli.aki import AkiQuestion, show_akis

            return show_akis(AkiQuestion(region, arch, loader, version, image, kernel, ask_aws, as_json))

        do(context, work, debug=debug)


def _add_bundle(app: typer.Typer, do: Do) -> None:
    @app.command(short_help="Make an EC2 bundle (instance store) of an image.")
    def bundle(
        context: typer.Context,
        image: RawImage,
        folder: Annotated[Path, typer.Option("-d", "--destination", metavar="DIR", help="Where the bundle goes.")],
        user: User = None,
        cert: Cert = None,
        key: Key = None,
        ec2cert: Ec2Cert = None,
        prefix: Annotated[
            str | None, typer.Option("--prefix", "-p", help="Name of the bundle (default: the image's file name).")
        ] = None,
        arch: Arch = None,
        kernel: Kernel = None,
        ramdisk: Ramdisk = None,
        mappings: Mappings = None,
        debug: Debug = False,
    ) -> None:
        """Make an EC2 bundle of an image: encrypted parts of 10 MiB and a signed manifest.

        One pass over the image; holes of a sparse image cost nothing. Credentials are not needed.

        \b
        Example:
          imagebuild bundle web.raw --user 123456789012 --cert cert.pem --key pk.pem --ec2cert cert-ec2.pem -d bundle
        """

        def work() -> int:
            from imagebuild.cli.bundle import BundleWords, bundle_image

            return bundle_image(
                BundleWords(
                    image=image,
                    account=needed(user, "--user"),
                    certificate=needed(cert, "--cert"),
                    private_key=needed(key, "--key"),
                    ec2_certificate=needed(ec2cert, "--ec2cert"),
                    folder=folder,
                    prefix=prefix,
                    architecture=arch,
                    kernel_id=kernel,
                    ramdisk_id=ramdisk,
                    mappings=tuple(mappings or ()),
                )
            )

        do(context, work, debug=debug)


def _add_unbundle(app: typer.Typer, do: Do) -> None:
    @app.command(short_help="Get the image back out of an EC2 bundle.")
    def unbundle(
        context: typer.Context,
        manifest: Annotated[
            Path, typer.Argument(metavar="MANIFEST", help="The bundle's manifest.", show_default=False)
        ],
        key: Key = None,
        folder: Annotated[
            Path | None,
            typer.Option("-d", "--destination", metavar="DIR", help="Where the image goes (default: here)."),
        ] = None,
        debug: Debug = False,
    ) -> None:
        """Check a bundle (signature, every part, the content) and get its image back. Nothing is left of a bad one.

        \b
        Example:
          imagebuild unbundle bundle/web.raw.manifest.xml --key pk.pem -d /tmp
        """

        def work() -> int:
            from imagebuild.cli.bundle import unbundle_image

            return unbundle_image(manifest, needed(key, "--key"), folder)

        do(context, work, debug=debug)


def needed(value: T | None, option: str) -> T:
    """The value of an option that may also come from the environment. Raises PublishError when it is missing."""
    if value is None:
        from imagebuild.errors import PublishError

        raise PublishError(f"{option} is missing", resolution=f"give {option} (see --help)")
    return value


def _add_publish(app: typer.Typer, do: Do) -> None:
    @app.command(short_help="Upload an image to EC2 and register it as an AMI.")
    def publish(
        context: typer.Context,
        image: RawImage,
        regions: Annotated[
            list[str] | None,
            typer.Option("--region", metavar="R", help="Repeatable: the first is written to, the others get copies."),
        ] = None,
        recipe: Annotated[
            Path | None,
            typer.Option("--recipe", metavar="RECIPE", help="Take what is not said here from its ec2: section."),
        ] = None,
        settings: Settings = None,
        store: Annotated[
            Literal["ebs", "instance-store"] | None, typer.Option("--store", help="Default: ebs, a snapshot.")
        ] = None,
        name: Annotated[
            str | None, typer.Option("--name", help="The AMI's name (default: from image and sha256).")
        ] = None,
        description: Annotated[str | None, typer.Option("--description")] = None,
        virtualization: Annotated[
            Literal["paravirtual", "hvm"] | None,
            typer.Option("--virtualization", help="Default: paravirtual. hvm: where the image has boot code for it."),
        ] = None,
        arch: Arch = None,
        kernel: Kernel = None,
        ramdisk: Ramdisk = None,
        pv_grub: Annotated[
            str | None,
            typer.Option("--pv-grub-version", metavar="V", help="Default: the newest that starts the image."),
        ] = None,
        loader: Loader = None,
        ask_aws: Annotated[
            bool, typer.Option("--ask-aws", help="Ask AWS for the AKIs, not imagebuild's table.")
        ] = False,
        ena: Annotated[bool, typer.Option("--ena", help="hvm: the kernel has the ENA driver.")] = False,
        volume_type: Annotated[str | None, typer.Option("--volume-type", help="ebs: default gp2.")] = None,
        bucket: Annotated[
            str | None, typer.Option("--bucket", metavar="B[/DIR]", help="instance-store; {region} is filled in.")
        ] = None,
        user: User = None,
        cert: Cert = None,
        key: Key = None,
        ec2cert: Ec2Cert = None,
        mappings: Mappings = None,
        tags: Annotated[list[str] | None, typer.Option("--tag", metavar="KEY=VALUE", help="Repeatable.")] = None,
        permissions: Annotated[
            list[str] | None,
            typer.Option("--launch-permission", metavar="WHO", help="An account id, or all; repeatable."),
        ] = None,
        report: Annotated[Path | None, typer.Option("--report", help="The report.json about this image.")] = None,
        unverified: Annotated[
            bool, typer.Option("--unverified", help="Insist: publish without a passing report.")
        ] = False,
        dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the calls; ask nothing of AWS.")] = False,
        workers: Annotated[int, typer.Option("--workers", min=1, max=64, help="Parallel uploads.")] = 8,
        as_json: AsJson = False,
        debug: Debug = False,
    ) -> None:
        """Upload a verified image to EC2 and register it as an AMI; a second run changes nothing.

        Credentials come from boto3's own chain (AWS_PROFILE, ~/.aws, SSO, instance role). Refused without a passing
        report about this very image. PV is EC2's legacy path: only previous-generation instances start it.

        \b
        Examples:
          imagebuild publish out/web/web.raw --region us-east-1 --region eu-west-1
          imagebuild publish out/web/web.raw --recipe web.yaml --dry-run
          imagebuild publish out/web/web.raw --region us-east-1 --store instance-store --bucket my-images \\
              --user 123456789012 --cert cert.pem --key pk.pem --ec2cert cert-ec2.pem
        """

        def work() -> int:
            from imagebuild.cli.publish import PublishWords, publish_image

            return publish_image(
                PublishWords(
                    image=image, recipe=recipe, settings=tuple(settings or ()), regions=tuple(regions or ()),
                    store=store, name=name, description=description, architecture=arch, virtualization=virtualization,
                    kernel_id=kernel, ramdisk_id=ramdisk, pv_grub=pv_grub, loader=loader, ask_aws=ask_aws, ena=ena,
                    volume_type=volume_type, bucket=bucket, account=user, certificate=cert, private_key=key,
                    ec2_certificate=ec2cert, mappings=tuple(mappings or ()), tags=tuple(tags or ()),
                    permissions=tuple(permissions or ()), report=report, unverified=unverified, dry_run=dry_run,
                    workers=workers, as_json=as_json,
                )
            )  # fmt: skip

        do(context, work, debug=debug)
