"""Makes a bootable copy of somebody else's image, with as few changes as will do.

    BootVolume (facts.py)  ──decide_repair──►  Repair: steps, reasons, what is beyond repair (decide.py, menu_edits.py)
    Repair, a copy         ──carry_out──────►  the copy, changed in libguestfs' appliance (executor.py)

Start with decide.py: it is pure, and says why each step is taken. boot_volume.py finds the facts out, as the
verification sees the image.
"""
