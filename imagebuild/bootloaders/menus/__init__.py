"""How each boot loader reads and runs a menu.lst: three interpreters, one shape of result (`trace.Trace`).

| module | loader | held against |
|---|---|---|
| `grub_legacy/` | GRUB 0.97: PV-GRUB, and its own shell as a second dialect | the shell of Debian's grub-legacy |
| `pygrub` | Xen 4.17's pygrub | its GrubConf.py |
| `grub2_legacy` | GRUB 2.06's legacy_configfile | grub-menulst2cfg |

An interpreter is given the menu's bytes and `facts.Files`, what is known of the filesystems; it never guesses: where
the facts do not tell what a command does, the trace ends there as `End.UNKNOWN`.
"""
