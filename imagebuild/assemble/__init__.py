"""Carrying a plan out: the root tree, the filesystems, the finished image.

executor.py     build_image(plan): one `match` over the steps of the disk
inside.py       runs as root in a namespace: unpacks the tree, edits it, lays the filesystems
tree_edits.py   the edits, done inside the tree (chroot); initrd_tools.py runs the tree's own tools
privileged.py   what an ordinary user's namespace cannot make, put into a finished ext filesystem
                a filesystem that is filled in user space has a module of its name beside them
spread.py       a filesystem dealt out over the runs or stripes of a logical volume
pack.py         what the appliance is to unpack
lvm.py          the identities that LVM has drawn, replaced
appliance.py    the steps that need a kernel, in libguestfs' appliance
"""
