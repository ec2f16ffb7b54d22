"""imagebuild: declarative recipes in, booted disk images out.

Start here. Imports point downwards in this map; `.importlinter` says it exactly, and the tests check both.

    cli/          the verbs: parse, call one operation, print; the only place that prints or exits
    nightly/      a directory of recipes every night, on one machine or on many
    operations/   one module for each use case: a request in, a result out
    repair/       a bootable copy of somebody else's image
    diff/         what differs between two images
    assemble/     carries a plan out; assemble/inside/ is what runs as root in a namespace
    verify/       judges the finished file: static checks, then boots under QEMU and Xen; never sees a plan
    publish/      clouds: ec2/
    artifacts/    other formats, SBOM, provenance, checksums, signature, the output directory
    pages/        reports for people and for CI: data in, text out
    rootfs/       where a root tree comes from, and what it tells the planner
    image/        an image opened read-only
    testhost/     Debian's Xen, GRUB and tools, unpacked into the cache
    plan/         pure: a Recipe and the facts of its tree become a Plan, which is data
    host/         one door for each foreign library or program
    filesystems/  how each type of filesystem is made and sized
    bootloaders/  what each boot loader reads, unpacks and runs
    families/     what the families of distributions do differently
    formats/      bytes in, facts out
    recipe/       the user's language: YAML with positions becomes a frozen Recipe
    events.py     progress as data, while it happens
    report.py     what happened, as data
    limits.py     how much is read of what strangers made
    errors.py     the exception tree, with the exit codes
    vocabulary.py the closed words of the field
"""

__version__ = "0.1.0"
