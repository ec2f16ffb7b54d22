"""What each boot loader reads, unpacks and runs. Facts, each with its source; one module a loader.

table.py        the loaders by name, and which of their rules a filesystem meets
model.py        the shape of what is known about one
pv_grub.py      PV-GRUB (GRUB 0.97), and where it looks for its menu
pygrub.py       Xen's pygrub
grub2.py        GRUB 2's Xen port
menu.py         menu.lst, read and written
menu_choice.py  which entry each loader starts
menus/          a menu.lst run as each loader does: start at menus/trace.py
grub_shell.py   commands for GRUB 0.97's shell
"""
