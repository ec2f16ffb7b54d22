"""Carrying a plan out: the root tree, the filesystems, the finished image.

resolve.py      what is in the cache, and how to get what is not
rootfs.py       the root tree, bootstrapped or unpacked, as a cache entry
tree_facts.py   what a tree tells the planner: kernels, initrds, sizes
executor.py     build_image(plan): one `match` over the steps of the disk
inside.py       runs as root in a namespace: unpacks the tree, edits it, lays the filesystems
tree_edits.py   the edits, done inside the tree (chroot)
ext.py          mke2fs, and files without holes
btrfs.py        mkfs.btrfs from a folder
xfs/            XFS written in user space
spread.py       a filesystem dealt out over the runs or stripes of a logical volume
pack.py         what the appliance is to unpack
lvm.py          the identities that LVM has drawn, replaced
appliance.py    the steps that need a kernel, in libguestfs' appliance
"""
