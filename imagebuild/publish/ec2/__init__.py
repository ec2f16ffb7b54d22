"""From a verified image to a registered AMI.

Start here. The user guide's list after the image exists: select the AKI, bundle, upload, register.

    aki.py            which AKI starts which image (aki.toml: the ids; ec2.toml: what EC2 starts where)
    image_kind.py     an image's partition table and the architecture of the kernel that its menu boots
    regions.py        the regions' names, checked
    instance_families.py  which EC2 instances start what
    gate.py           no image without a passing report for that very sha256

    bundle.py         an image as an instance-store bundle: tar_stream → gzip_stream → AES → parts, and manifest
    unbundle.py       the way back: manifest → parts → AES → gzip → tar_reader → image
    keys.py           certificates, private keys, signatures

    requests.py       what is asked of EC2, as data: pure, shared by the real run and by --dry-run
    aws.py            boto3's clients, and every error of theirs in our own words
    snapshot.py       an EBS snapshot, written block by block
    upload.py         a bundle into S3
    register.py       images: found again, registered, tagged, shared
    plan.py           what is to be published, and every decision that follows from it
    publication.py    all of it in order, for several regions

PV is the legacy path of EC2: see ec2.toml. Credentials come from boto3's own chain and from nowhere else.
"""
