"""Is this image good? Judged from the file alone, by other tools than those that made it, and by booting it.

runner.py       verify_image: all three machines, one verdict (start here)
kept.py         … the command line's way to it: the same bytes are judged once (host/known_digest.py: nor read twice)
static.py       the machine that boots nothing: a list of checks, by topic in disk_checks.py, menu_checks.py and others
view.py         what those checks share; grub_shell.py: the witness
qemu.py         the machine that starts these without Xen
xen.py          the machine that does as EC2 did: Xen, dom0, PV-GRUB, guest; state.py: a ready dom0, kept
guests.py       what PV and PVH guests differ in
firmware.py     PCs: SeaBIOS and OVMF start the image's own boot code
tasks.py        which boot each machine is to do
loaders.py      which PV-GRUB: a genuine one, or the stand-in
console.py      a boot as its console tells it; signs.py: milestones and fatal texts, as data
boot.py         follows a console within limits; machine.py: one QEMU process
threads.py      work that Ctrl-C ends
"""
