"""What is known of each type of filesystem: how it is made, sized, read, checked, grown. Pure; one module a type.

table.py        the types by name, and what is asked of whichever it is: identify, make, size
model.py        the shape of what is known about one
making.py       the options of a type's tool: ours, and what a recipe adds
ext.py          the ext family; ext_blocks.py: where the blocks of one of its files lie
xfs.py, btrfs.py (btrfs_size.py: its size changed without mounting it), reiserfs.py, swap.py, vfat.py
"""
