"""Pure readers and writers of formats: bytes or text in, facts out.

bzimage.py         the Linux boot protocol's header: what kind of kernel a file is; kernel_file.py: ELF kernels, too
kernel_config.py   /boot/config-VERSION: drivers and Xen
compression.py     what bytes are compressed with
repack.py          a kernel with a second payload that a Xen loader can unpack
initrd.py          the cpio archives of an initrd: which files and modules it holds
first_sectors.py   is there a partition table, and boot code
superblocks.py     what a superblock says: type, UUID, label, features (filesystems/ reads them)
lvm.py             volume groups and logical volumes; lvm_identities.py: … with chosen identities
qcow2.py           how to tell a qcow2
rpm.py             an .rpm's headers
crc32c.py          the checksum of newer filesystems' metadata
text.py            text from elsewhere made harmless; sizes and durations for people
"""
