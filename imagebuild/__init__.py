"""imagebuild: declarative recipes in, booted disk images out.

Start here. A recipe travels through the packages in this order:

    recipe/    the user's language: YAML with positions -> a frozen Recipe
    plan/      pure and deterministic: Recipe (+ facts of the tree) -> Plan, which is data
    build/     carries the plan out: root tree, filesystems, the finished NAME.raw
    verify/    reads the finished file with other tools, then boots it under QEMU and Xen
    pages/     report.html: data in, one self-contained text out
    diff/      what differs between two images
    cli/       the verbs; the only place that prints or exits

beside them `formats/` (menu.lst, bzImage, initrd: bytes in, facts out), `host/` (one door for each
foreign library or program), `report.py` (what happened, as data) and `errors.py` (the exception tree).
Who may import whom is written in `.importlinter` and checked by the tests.
"""

__version__ = "0.1.0"
