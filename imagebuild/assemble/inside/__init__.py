"""Everything that runs as root in a private namespace: started by job.py, never imported from outside.

populate.py        the process that unpacks the tree, edits it, and populates the filesystems
finish/            the process that writes a recipe's few files into populated filesystems
tree_edits.py      the edits: which of them our own code does, and which a program of the tree
in_tree.py         our own code at work in the tree, after chroot(2)
directories.py     directories of the tree, made where they are needed
accounts.py        users and groups
traces.py          what each machine makes for itself, taken out
package_unpack.py  a .deb or .rpm unpacked into the tree
initrd_tools.py    the tree's own tools that make initrds
scripts.py         a recipe's scripts
lent_files.py      what the tree is lent while a script runs
mountpoints.py     the directories that the fence mounts something over
pack.py            an archive for the filesystems that only a kernel can fill
placement.py       a filesystem brought to the runs or stripes that it lies in
privileged.py      what an ordinary user's namespace cannot make, put into a finished filesystem
debugfs.py         debugfs, which changes a filesystem without a mount

A filesystem made in user space has a module of its name beside them, or a package that writes it.
"""
