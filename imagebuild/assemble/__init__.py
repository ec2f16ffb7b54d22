"""Carries a plan out: a raw image from a plan and its tree. Nothing is decided here.

executor.py      assemble(plan, inputs, target): phase by phase; start here
this_machine.py  what a plan wants of this machine, asked before any work
job.py           work handed to a process in the namespace, as JSON
populated.py     ext filesystems populated from a tree, cached before they are finished
appliance.py     the steps that need a kernel, in libguestfs' appliance
boot_code.py     GRUB's code for a PC's BIOS, and FAT with GRUB's for UEFI
lvm.py           the identities that LVM has drawn, replaced
inside/          everything that runs as root in the namespace, and nothing else; only started, never imported
"""
