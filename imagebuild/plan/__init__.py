"""Planning: pure, total, deterministic. Nothing here touches the machine (the import rules see to it).

    steps.py      the closed vocabulary: everything that a build can do, as data (the disk: disk_vocabulary.py)
    facts.py      what only a finished tree can tell (kernels, sizes), as data
    identity.py   UUIDs and disk ids computed from names, never drawn
    areas.py      the disk's parts, and where they lie
    layout.py     sectors and sizes, extents of logical volumes
    rules.py      what is refused, and why
    mkfs.py       how each filesystem is made
    disk_steps.py the steps that make the disk
    boot.py       kernels chosen, menu.lst
    texts.py      fstab and the other small files written into the tree
    planner.py    make_plan(recipe, facts) -> Plan: the table of contents of a build
    outline.py    a plan as text for people

A plan made before the tree exists says so: `Plan.pending` names what the tree will tell.
"""
