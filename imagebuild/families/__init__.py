"""What the families of distributions do differently: their names, their initrds and tools, grub.conf. Pure.

table.py     the families and tools by name, and which of them a tree is of
model.py     the shape of what is known about one
debian.py    Debian, Ubuntu; initramfs-tools
red_hat.py   Fedora, Red Hat, CentOS, Oracle; dracut, and release 5's mkinitrd
suse.py      openSUSE, SUSE; their mkinitrd
"""
