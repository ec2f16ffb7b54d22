"""Where a root tree comes from, a module for each source; every one ends in a tar archive and its facts.

tree.py          chooses among the sources, and caches what they make; start here
debian/          bootstrapped with mmdebstrap
directory.py     a directory on this machine
image.py         the tree inside an existing disk image, read in the appliance
guest_fstab.py   that image's own fstab
oci.py           an OCI image layout: index, manifest
oci_layers.py    its layers merged, with their whiteouts
debian/offer.py  what the archive has today for a recipe
package_set.py   which packages an update found: part of a tree's key
archive.py       tar archives read without believing them (one that somebody made is taken as it is)
cpio_stream.py   cpio archives, the payload of an rpm
tree_names.py    where an archive's members will lie
facts.py         what a tree tells the planner
kernels.py       its kernels and initrds
kernel_files.py  kernels from files beside the recipe
package_file.py  opens a .deb or .rpm
packages.py      which packages a tree holds
rpm_database.py  where rpm keeps that
lock.py          a tree from its lock
times.py         the moment that an image shows
quick_initrd.py  the tree's own mkinitramfs with fewer processes
"""
