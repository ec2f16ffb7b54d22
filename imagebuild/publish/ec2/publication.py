"""A prepared plan carried out: snapshot or bundle, copies, AMIs, tags, permissions. For one or several regions.

What exists already is found (AMIs by name, snapshots by tag, objects by checksum) and left alone, so that a second
run changes nothing and an interrupted one is gone on with.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from imagebuild.errors import PublishError
from imagebuild.events import Progress, stage
from imagebuild.host.cache import Cache
from imagebuild.publish.ec2 import register, requests, snapshot
from imagebuild.publish.ec2.aws import Clients, connect
from imagebuild.publish.ec2.bundle import Bundle, BundleContent, Meter, write_bundle
from imagebuild.publish.ec2.gate import RawImage
from imagebuild.publish.ec2.keys import BundleKeys
from imagebuild.publish.ec2.manifest import Machine, check_account
from imagebuild.publish.ec2.plan import Connect, PublicationPlan, bucket_of, bundle_prefix
from imagebuild.publish.ec2.register import Registered
from imagebuild.publish.ec2.unbundle import open_manifest
from imagebuild.publish.ec2.upload import upload_bundle

MeterFor = Callable[[str], Meter]
"""A progress display for one named piece of work."""


@dataclass(frozen=True, slots=True)
class Published:
    """What is in one region now. `changed` False: everything was there already."""

    region: str
    image_id: str
    name: str
    kernel_id: str | None
    root_device: str | None
    architecture: str
    virtualization: str
    snapshot_id: str | None
    location: str | None
    changed: bool


def publish(
    plan: PublicationPlan,
    image: RawImage,
    *,
    cache: Cache,
    progress: Progress,
    meter_for: MeterFor,
    keys: BundleKeys | None = None,
    workers: int = 8,
    connect_to: Connect | None = None,
) -> list[Published]:
    """Carry the plan out. `keys` are needed for instance-store. Raises PublishError; safe to run again."""
    connect_to = connect_to or (lambda region: connect(region, workers=workers))
    clients = {region: connect_to(region) for region in plan.publication.regions}
    for line in plan.notes:
        progress.note(line)
    run = _Run(plan, image, cache, progress, meter_for, workers, clients)
    with cache.lock("publish", image.sha256):
        present = {region: register.find_image(clients[region], plan.registrations[region]) for region in clients}
        lacking = [region for region, found in present.items() if found is None]
        if plan.publication.store == "ebs":
            sources = run.snapshots(lacking)
            return [run.image(region, present[region], sources) for region in clients]
        bundle = run.bundle(keys) if lacking else None
        sources = run.uploads(lacking, bundle) if bundle else {}
        published = [run.image(region, present[region], sources) for region in clients]
        if bundle:  # kept until here, so that a second try after a failure need not make it again
            shutil.rmtree(bundle.manifest_path.parent, ignore_errors=True)
        return published


@dataclass(frozen=True, slots=True)
class _Run:
    """One publication under way."""

    plan: PublicationPlan
    raw: RawImage
    cache: Cache
    progress: Progress
    meter_for: MeterFor
    workers: int
    clients: Mapping[str, Clients]

    def snapshots(self, lacking: list[str]) -> dict[str, str]:
        """Snapshot ids by region, for the regions that lack their AMI: written in the first region, copied on."""
        if not lacking:
            return {}
        first = self.plan.publication.regions[0]
        with stage(self.progress, f"snapshot in {first}") as mark:
            written = snapshot.ensure_snapshot(
                self.clients[first],
                self.raw,
                self.plan.registrations[first],
                journals=self.cache.root / "publish",
                progress=self.progress,
                meter=self.meter_for(f"snapshot in {first}"),
                workers=self.workers,
            )
            mark.cached = not written.changed
        return {region: written.id if region == first else self._copy(region, first, written.id) for region in lacking}

    def _copy(self, region: str, source_region: str, snapshot_id: str) -> str:
        wanted = self.plan.registrations[region]
        with stage(self.progress, f"copy to {region}") as mark:
            copy = snapshot.ensure_copy(
                self.clients[region], wanted, source_region, snapshot_id, progress=self.progress
            )
            mark.cached = not copy.changed
        return copy.id

    def bundle(self, keys: BundleKeys | None) -> Bundle:
        """The bundle, from the cache if an earlier run got that far.

        The manifest names an AKI only where there is one region: RegisterImage is told explicitly in any case.
        """
        if keys is None:
            raise PublishError(
                "instance-store needs the certificates and the private key",
                resolution="give --cert, --key and --ec2cert",
            )
        publication = self.plan.publication
        kernels = {wanted.kernel_id for wanted in self.plan.registrations.values()}
        kernel_id = kernels.pop() if len(kernels) == 1 else None
        machine = Machine(publication.architecture, kernel_id, None, publication.mappings)
        account, prefix = check_account(publication.account or ""), bundle_prefix(self.plan)
        public = [keys.user.public_numbers().n, keys.ec2.public_numbers().n]
        identity = json.dumps([self.raw.sha256, account, prefix, asdict(machine), public])

        def make(folder: Path) -> None:
            request = BundleContent(self.raw.path, folder, prefix, account, machine)
            write_bundle(request, keys, meter=self.meter_for("bundle"))
            self.raw.check_unchanged()

        with stage(self.progress, "bundle") as mark:
            folder, mark.cached = self.cache.get("bundles", hashlib.sha256(identity.encode()).hexdigest(), make)
        manifest_path = folder / f"{prefix}.manifest.xml"
        return Bundle(manifest_path, open_manifest(manifest_path).manifest)

    def uploads(self, lacking: list[str], bundle: Bundle) -> dict[str, str]:
        """ImageLocations by region."""
        locations = {}
        for region in lacking:
            with stage(self.progress, f"upload to {region}"):
                locations[region] = upload_bundle(
                    self.clients[region],
                    bundle,
                    bucket_of(self.plan.publication, region),
                    progress=self.progress,
                    meter=self.meter_for(f"upload to {region}"),
                    workers=min(self.workers, 4),
                )
        return locations

    def image(self, region: str, present: Registered | None, sources: Mapping[str, str]) -> Published:
        """The AMI of one region, registered if it is not `present`, with its tags and permissions."""
        clients, wanted = self.clients[region], self.plan.registrations[region]
        ebs = wanted.store == "ebs"
        if present is None:
            source = sources[region]
            wanted = replace(wanted, snapshot_id=source) if ebs else replace(wanted, location=source)
            with stage(self.progress, f"register in {region}"):
                there = register.ensure_image(clients, wanted, progress=self.progress)
        else:
            self.progress.note(f"{region}: {present.image_id} is registered already")
            there = present
        permissions = requests.launch_permissions(self.plan.publication.permissions)
        tagged = register.ensure_tags(clients, there.image_id, wanted)
        shared = register.ensure_permissions(clients, there.image_id, permissions)
        return Published(
            region=region,
            image_id=there.image_id,
            name=wanted.name,
            kernel_id=wanted.kernel_id,
            root_device=wanted.root_device if ebs else None,
            architecture=wanted.architecture,
            virtualization=wanted.virtualization,
            snapshot_id=there.snapshot_id,
            location=there.location,
            changed=present is None or tagged or shared,
        )
