"""Where a root tree comes from, one module for each source; every one ends in a tar archive and its facts.

debian.py      bootstrapped with mmdebstrap
directory.py   a directory on this machine
image.py       the tree inside an existing disk image, read in the appliance
oci.py         an OCI image layout: index, manifest, layers with whiteouts
(an archive that somebody made is taken as it is)

rootfs.py, one level up, chooses among them, and keeps what they made.
"""
