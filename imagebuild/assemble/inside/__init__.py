"""Everything that runs as root in a private namespace: started by job.py, never imported from outside.

populate.py        the process that unpacks the tree, edits it, and populates the filesystems
finish/            the process that writes a recipe's few files into populated filesystems
tree_edits.py      the edits, after chroot(2)
accounts.py        users and groups
package_unpack.py  a .deb or .rpm unpacked into the tree
initrd_tools.py    the tree's own tools that make initrds
scripts.py         a recipe's scripts
script_sandbox.py  process 1 of a script's own namespaces
ext.py             mke2fs, and files without holes
btrfs.py           mkfs.btrfs from a directory
xfs.py             mkfs.xfs, filled by xfs_writer/
xfs_writer/        XFS written in user space; frozen behind one function
pack.py            an archive for the filesystems that only a kernel can fill
placement.py       a filesystem brought to the runs or stripes that it lies in
privileged.py      what an ordinary user's namespace cannot make, put into a finished ext filesystem
debugfs.py         debugfs, which changes an ext filesystem without a mount
"""
