"""Everything that touches the machine, one door each.

command.py        processes (sh)
disk.py           partition tables (parted)
guest.py          the libguestfs appliance (guestfs)
namespace.py      root inside a user namespace: trees with all their owners, without root outside
acceleration.py   what QEMU can really use here: tried, not assumed
cache.py          content-addressed entries under ~/.cache/imagebuild, with locks; cache_kinds.py: every kind of them
sparse.py         where a file holds data; digest.py: sha256 of files and images
"""
