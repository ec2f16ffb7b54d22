"""Pure readers and writers of the formats that a boot consists of: bytes or text in, facts out.

menu.py      GRUB 0.97's menu language: /boot/grub/menu.lst
bzimage.py   the Linux boot protocol's header: what kind of kernel a file is
initrd.py    the cpio archives of an initrd: which files and modules it holds
"""
