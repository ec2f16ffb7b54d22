"""Which system calls are refused to programs of a tree: a list for seccomp(2), as bubblewrap takes it.

Most need capabilities that the programs do not have; they are refused as well because the kernel's own check is one
line that had faults before. What is refused with "no such call" has a fallback in programs that use it. The
groups are those of systemd.exec(5) (SystemCallFilter=) and of the containers' default profile.
"""

from __future__ import annotations

import ctypes
import errno
import os

from imagebuild.errors import HostError
from imagebuild.host.no_sync import seccomp_library

_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000  # seccomp.h: SCMP_ACT_ALLOW, SCMP_ACT_ERRNO
_EQUAL, _MASKED_EQUAL = 4, 7  # SCMP_CMP_EQ, SCMP_CMP_MASKED_EQ
_UNKNOWN = -1  # __NR_SCMP_ERROR: a call that this libseccomp does not know

NOT_PERMITTED = (
    # namespaces and mounts
    "unshare", "setns", "mount", "umount", "umount2", "pivot_root", "chroot", "fsopen", "fsconfig", "fsmount",
    "fspick", "move_mount", "open_tree", "open_tree_attr", "mount_setattr",
    # files by other ways than their names
    "open_by_handle_at", "fanotify_init", "quotactl", "quotactl_fd", "acct", "swapon", "swapoff",
    # the machine
    "reboot", "kexec_load", "kexec_file_load", "init_module", "finit_module", "delete_module", "create_module",
    "query_module", "get_kernel_syms", "iopl", "ioperm", "vhangup", "syslog", "nfsservctl", "sysfs", "_sysctl",
    "uselib", "settimeofday", "clock_settime", "clock_settime64", "stime", "vm86", "vm86old",
    # other processes
    "ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "kcmp", "pidfd_getfd", "perf_event_open",
    "lookup_dcookie", "move_pages", "migrate_pages",
    # the kernel's own programs and keys
    "bpf", "userfaultfd", "add_key", "request_key", "keyctl",
)  # fmt: skip
# clone3's flags stand in memory, where no filter sees them: the C library calls clone instead. Memory of memfd_create
# belongs to no process that the limit could count. socketcall (i386, before Linux 4.3) hides socket's arguments.
NO_SUCH_CALL = (
    "clone3", "io_uring_setup", "io_uring_enter", "io_uring_register", "memfd_create", "memfd_secret", "socketcall",
)  # fmt: skip
# sched.h: CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET
_NEW_NAMESPACES = (0x20000, 0x200_0000, 0x400_0000, 0x800_0000, 0x1000_0000, 0x2000_0000, 0x4000_0000)
# ioctl_tty(2): both put what they are given into a terminal's input.
_TERMINAL_INPUT = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX
_AF_NETLINK, _NETLINK_AUDIT = 16, 9
# vsock leads to the hypervisor whatever the network namespace; AF_ALG is the kernel's own cryptography.
_REFUSED_FAMILIES = (40, 38)
_WORD = 0xFFFF_FFFF


class _Compare(ctypes.Structure):
    """struct scmp_arg_cmp."""

    _fields_ = (
        ("argument", ctypes.c_uint),
        ("operation", ctypes.c_int),
        ("a", ctypes.c_uint64),
        ("b", ctypes.c_uint64),
    )


def filter_file() -> int:
    """A descriptor of the compiled list, for bubblewrap's --seccomp. Raises HostError without libseccomp."""
    library = seccomp_library()
    if library is None:
        raise HostError("libseccomp is not installed", resolution="install the Debian package libseccomp2")
    library.seccomp_init.restype = ctypes.c_void_p
    rules = ctypes.c_void_p(library.seccomp_init(_ALLOW))
    try:
        _add_all(library, rules)
        descriptor = os.memfd_create("calls", os.MFD_CLOEXEC)
        _check(library.seccomp_export_bpf(rules, descriptor))
    finally:
        library.seccomp_release(rules)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _add_all(library: ctypes.CDLL, rules: ctypes.c_void_p) -> None:
    if (i386 := library.seccomp_arch_resolve_name(b"x86")) and library.seccomp_arch_exist(rules, i386) != 0:
        _check(library.seccomp_arch_add(rules, ctypes.c_uint32(i386)))
    for names, number in ((NOT_PERMITTED, errno.EPERM), (NO_SUCH_CALL, errno.ENOSYS)):
        for name in names:
            _add(library, rules, name, number)
    for flag in _NEW_NAMESPACES:
        _add(library, rules, "clone", errno.EPERM, _Compare(0, _MASKED_EQUAL, flag, flag))
    for request in _TERMINAL_INPUT:
        _add(library, rules, "ioctl", errno.EPERM, _Compare(1, _MASKED_EQUAL, _WORD, request))
    audit = (_Compare(0, _MASKED_EQUAL, _WORD, _AF_NETLINK), _Compare(2, _MASKED_EQUAL, _WORD, _NETLINK_AUDIT))
    _add(library, rules, "socket", errno.EAFNOSUPPORT, *audit)
    for family in _REFUSED_FAMILIES:
        _add(library, rules, "socket", errno.EAFNOSUPPORT, _Compare(0, _MASKED_EQUAL, _WORD, family))


def _add(library: ctypes.CDLL, rules: ctypes.c_void_p, name: str, error: int, *compared: _Compare) -> None:
    number = library.seccomp_syscall_resolve_name(name.encode())
    if number != _UNKNOWN:
        array = (_Compare * len(compared))(*compared) if compared else None
        _check(library.seccomp_rule_add_array(rules, _REFUSE | error, number, len(compared), array))


def _check(answer: int) -> None:
    if answer < 0:
        raise HostError(f"libseccomp refuses the list of system calls: {os.strerror(-answer)}")
