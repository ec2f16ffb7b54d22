"""Finishes populated ext filesystems: the few files of a recipe are written into a copy of them, without the tree.

catalogue.py    what the tree holds, noted when the filesystems are populated
frame.py        a small tree of just the places that the edits touch, where they are done as in the whole tree
changes.py      what the edits have changed there
process.py      the process that does all this, and writes the changes into the filesystems with debugfs
"""
