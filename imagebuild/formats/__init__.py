"""Pure readers and writers of formats: bytes or text in, facts out.

image_format.py    what kind of disk image a file is (raw, qcow2 …)
first_sectors.py   is there a partition table, and boot code; partition_table.py: would Linux take it for one
superblocks.py     which filesystem, UUID, label, features
lvm.py             volume groups and logical volumes; lvm_identities.py: … with chosen identities
bzimage.py         the Linux boot protocol's header: what kind of kernel a file is
kernel_file.py     … and kernels that are ELF files; xen_notes.py: what those tell Xen
kernel_config.py   /boot/config-VERSION: drivers and Xen
compression.py     what bytes are compressed with
elf.py             what kind of program a file is
repack.py          a kernel with a second payload that a Xen loader can unpack
initrd.py          the cpio archives of an initrd: which files and modules it holds
fstab.py           /etc/fstab; device_name.py, root_argument.py: what its names and a kernel's root= mean
rpm.py             an .rpm's headers
crc32c.py          the checksum of newer filesystems' metadata
foreign.py         numbers and JSON from elsewhere, converted with one kind of error
text.py            text from elsewhere made harmless; sizes and durations for people
"""
