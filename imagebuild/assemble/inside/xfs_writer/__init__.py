"""XFS filled in user space, without a kernel: mkfs.xfs makes it empty, and what a directory holds is written into it.

Frozen: nothing outside imports more of it than `fill_xfs` and the error that it raises, so that it can go where
mkfs.xfs fills from a directory itself (-p DIR, from xfsprogs 6.17 on).

An older mkfs.xfs has prototype files, which keep neither times nor attributes nor hard links, and a kernel in an
emulator takes half a minute. Here a Debian tree takes two seconds, and two runs give the same bytes. What is written is
only what a fresh filesystem needs: each file in as few extents as there is room for, each tree of the allocation groups
built at once from sorted records. xfs_repair and Linux judge the result in the tests.

    geometry.py   the superblock: sizes, features, how numbers of blocks and inodes are made
    space.py      free extents, handed out from the front; the trees and headers of the allocation groups at the end
    inode.py      inodes with their forks
    attributes.py extended attributes, in the inode or in a block of their own
    directory.py  directories in their four forms
    tree.py       what the directory holds
    fill.py       all of it together

Source: "XFS Algorithms & Data Structures" (kernel.org), and the kernel's fs/xfs/libxfs/xfs_format.h, xfs_da_format.h.
All numbers on the disk are big-endian, but for the checksums.
"""

from imagebuild.assemble.inside.xfs_writer.fill import fill_xfs
from imagebuild.assemble.inside.xfs_writer.geometry import XfsError

__all__ = ["XfsError", "fill_xfs"]
