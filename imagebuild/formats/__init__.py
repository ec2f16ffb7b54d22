"""Pure readers and writers of formats: bytes or text in, facts out.

bzimage.py         the Linux boot protocol's header: what kind of kernel a file is; kernel_file.py: ELF kernels, too
kernel_config.py   /boot/config-VERSION: drivers and Xen
repack.py          a kernel with a second payload that a Xen loader can unpack
initrd.py          the cpio archives of an initrd: which files and modules it holds
first_sectors.py   is there a partition table, and boot code
superblocks.py     which filesystem, UUID, label, features
ext_blocks.py      where the blocks of a file lie; btrfs_size.py: the size of a Btrfs
lvm.py             volume groups and logical volumes; lvm_identities.py: … with chosen identities
qcow2.py           how to tell a qcow2
rpm.py             an .rpm's headers
crc32c.py          the checksum of Btrfs, XFS V5 and ext4's metadata
text.py            text from elsewhere made harmless; sizes and durations for people
"""
