"""What differs between two images, or two output folders.

snapshot.py   one image as data: layout, menu, packages, every file
take.py       takes a snapshot of an image or of an output folder
ext_tree.py   the files of an ext filesystem, by debugfs: no appliance, no mount, no root
tar_tree.py   the files of all others, as a tar archive that the appliance wrote
compare.py    pure: two snapshots, one Difference
text.py       a Difference as lines for a terminal
"""
