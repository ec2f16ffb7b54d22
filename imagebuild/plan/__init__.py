"""Planning: pure, total, deterministic. Nothing here touches the machine (the import rules see to it).

planner.py            make_plan(recipe, facts) -> Plan: the table of contents of a build
areas.py              the disk's model: its parts, made once and handed on; where they lie
layout.py             sectors and sizes, extents of logical volumes
rules.py              what is refused, and why; which filesystem the loader reads
refusals.py           every refusal of a plan at once
disk_steps.py         the steps that make the disk
boot.py               kernels chosen, menu.lst
modes.py              what boot modes ask of disk, kernels and menu
kernel_rules.py       which kernels can start, each rule with its source
initrds.py            which initrds must be made, and with which modules
secret_files.py       files that others are not to read: their text is never in a plan
accounts.py           users, as edits of the tree
system.py             what `system` and `scripts` ask for, as edits of the tree
hosts.py              /etc/hosts with what it lacks
kernel_updates.py     what keeps the menu and the kernels together: update_menu.sh in the image, or apt's protection
traces.py             the edits that take out what each machine makes for itself
grow.py               the root that fills a larger disk at the first boot
volume_groups.py      volume groups that the root is not in
tools.py              programs that the image itself needs for that
texts.py              fstab and the other small files written into the tree
tidy.py               what a tree brings along that would be in the way
finishing.py          which edits are done in the finished filesystems
steps.py              the closed vocabulary: everything that a build can do, as data
disk_vocabulary.py    the disk's part of it, in typed phases
system_vocabulary.py  the users' and scripts' part of it
facts.py              what only a finished tree can tell (kernels, sizes), as data
identity.py           UUIDs and disk ids computed from names, never drawn
outline.py            a plan as text for people

A plan made before the tree exists says so: `Plan.pending` names what the tree will tell.
"""
