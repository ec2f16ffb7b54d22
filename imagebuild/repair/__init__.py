"""Makes a bootable copy of somebody else's image, with as few changes as will do.

    BootVolume (facts.py)  ──decide_repair──►  Repair: steps, reasons, what is beyond repair (decide.py, menu_edits.py)
    Repair, a copy         ──carry_out──────►  the copy, changed in libguestfs' appliance (executor.py)

Start with decide.py: it is pure, and says why each step is taken. The facts come from whoever looked at the image
(verification does; the command line hands them over), so nothing here reads a filesystem by itself.
"""
