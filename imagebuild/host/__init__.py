"""Everything that touches the machine, one door each.

command.py       processes (sh)
disk.py          partition tables (parted)
gpt.py           the GUIDs that libparted draws, replaced
guest.py         the libguestfs appliance (guestfs)
mountable.py     which filesystems that appliance makes and mounts here
namespace.py     root inside a user namespace: trees with all their owners, without root outside
fence/           programs of a tree run behind it, and nowhere else (bubblewrap)
lifeline.py      ends a process with the imagebuild that started it
no_sync.py       leaves out every sync
acceleration.py  what QEMU can really use here: tried, not assumed
capabilities.py  what this machine can do, for `doctor` and the tests
packages.py      what this machine's distribution calls the packages that imagebuild needs
apt_sources.py   where this machine gets its Debian packages
memory.py        how much memory there is to give
ovmf.py          the UEFI firmware for QEMU
time_limit.py    a time limit for work of many parts
scratch.py       temporary directories that outlive no run
sparse.py        where a sparse file holds data
digest.py        the sha256 of a file or an image
known_digest.py  the same, remembered while the file is unchanged
cache.py         content-addressed entries under ~/.cache/imagebuild, with locks
cache_kinds.py   every kind of them, in one table
leftovers.py  what dead runs have left in the cache, removed
checked_entry.py  reads every byte of one while it is used
"""
