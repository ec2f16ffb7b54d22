"""The one door for programs of a tree: whatever a stranger put there runs behind this fence, and nowhere else.

Start at door.py: `run(program, log)` returns how the program ended. Decision 0017 says what the fence is made of, and
what each part is for.

request.py      what is to run and how it ended, as data
limits.py       memory, processes and time: how much there is
door.py         starts the fence, and says how the program ended
supervise.py    the process beside the fence: builds it with bubblewrap, watches the limits, ends everything
bubblewrap.py   bubblewrap's argv: what a program finds inside
calls.py        which system calls are refused inside (seccomp)
nobody.py       the tree's root as nobody outside: a user namespace and an idmapped mount
scope.py        no abstract sockets and no signals out of the fence (Landlock)
kernel.py       the few system calls that Python has no names for
trial.py        tries it, for `doctor`
watch.py        what the programs inside use, seen from outside
"""
