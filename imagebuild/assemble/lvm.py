"""What LVM has drawn at random in the appliance, replaced in the finished image: two builds are the same."""

from __future__ import annotations

from pathlib import Path

from imagebuild.errors import BuildError
from imagebuild.formats.lvm import PROBE_BYTES
from imagebuild.formats.lvm_identities import MetadataError, settled
from imagebuild.plan.disk_vocabulary import SettleVolumeGroup


def write_identities(step: SettleVolumeGroup, image: Path, epoch: int) -> None:
    """Give the group and its volumes the plan's identities. Raises BuildError when LVM's metadata is not as known."""
    with image.open("r+b") as file:
        for place in step.places:
            file.seek(place.offset_bytes)
            try:
                new = settled(file.read(PROBE_BYTES), step.name, step.uuid, dict(step.volumes), epoch)
            except MetadataError as error:
                raise BuildError(f"volume group {step.name}: its metadata is not as expected: {error}") from error
            file.seek(place.offset_bytes)
            file.write(new)
