"""Carrying a plan out: the root tree, the filesystems, the finished image.

resolve.py      what is in the cache, and how to get what is not
rootfs.py       the root tree from whichever source, as a cache entry
sources/        a module for each source
archive.py      tar archives read without believing them; tree_names.py where their members will lie
tree_facts.py   what a tree tells the planner; kernels_found.py its kernels and initrds
own_kernels.py  kernels from files beside the recipe; package_file.py opens a .deb or .rpm
packages.py     which packages a tree holds; rpm_database.py where rpm keeps that
executor.py     assemble(plan, …): one `match` over the steps of the disk
inside.py       runs as root in a namespace: unpacks the tree, edits it, lays the filesystems
tree_edits.py   the edits, done inside the tree (chroot); initrd_tools.py runs the tree's own tools
privileged.py   what an ordinary user's namespace cannot make, put into a finished ext filesystem
ext.py          mke2fs, and files without holes
btrfs.py        mkfs.btrfs from a directory
xfs/            XFS written in user space
spread.py       a filesystem dealt out over the runs or stripes of a logical volume
pack.py         what the appliance is to unpack
lvm.py          the identities that LVM has drawn, replaced
appliance.py    the steps that need a kernel, in libguestfs' appliance
"""
