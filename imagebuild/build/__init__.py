"""Carrying a plan out: the root tree, the filesystems, the finished image.

resolve.py      what is in the cache, and how to get what is not
rootfs.py       the root tree, bootstrapped or unpacked, as a cache entry
tree_facts.py   what a tree tells the planner: kernels, initrds, sizes
executor.py     build_image(plan): one `match` over the steps of the disk
inside.py       runs as root in a namespace: unpacks the tree, edits it, lays the filesystems
tree_edits.py   the edits, done inside the tree (chroot)
ext.py          mke2fs, and files without holes
appliance.py    the steps that need a kernel, in libguestfs' appliance
"""
