"""Lets this process and all that it starts leave out every sync: fsync(2) and its kin succeed at once.

mke2fs and debugfs end with fsync, and so does dpkg: hundreds of megabytes are waited for, of a file that is not yet
finished. Whoever finishes it syncs it, once. systemd-nspawn's --suppress-sync does the same, in this way (seccomp(2)).
"""

from __future__ import annotations

import ctypes
import functools

_LIBRARY = "libseccomp.so.2"  # of libseccomp2, which apt and systemd need
# seccomp.h of libseccomp
_ALLOW = 0x7FFF0000
_SUCCEED = 0x00050000  # SCMP_ACT_ERRNO(0)
_BAD_ARCHITECTURE, _NO_NEW_PRIVILEGES = 2, 3
_CALLS = (b"fsync", b"fdatasync", b"sync", b"syncfs", b"sync_file_range")


@functools.cache
def seccomp_library() -> ctypes.CDLL | None:
    try:
        return ctypes.CDLL(_LIBRARY)
    except OSError:
        return None


def leave_out_syncs() -> bool:
    """Start it in this thread and what it starts, for good; False: not possible here, and only slower.

    Without CAP_SYS_ADMIN it takes away the way to more privileges, too (PR_SET_NO_NEW_PRIVS).
    """
    if (library := seccomp_library()) is None:
        return False
    library.seccomp_init.restype = ctypes.c_void_p
    rules = ctypes.c_void_p(library.seccomp_init(_ALLOW))
    if rules.value is None:
        return False
    # Programs of another architecture (a tree of i386) are left alone, and programs of the tree may gain privileges.
    settings = ((_BAD_ARCHITECTURE, _ALLOW), (_NO_NEW_PRIVILEGES, 0))
    done = [library.seccomp_attr_set(rules, name, ctypes.c_uint32(value)) for name, value in settings]
    done += [
        library.seccomp_rule_add(rules, _SUCCEED, library.seccomp_syscall_resolve_name(call), 0) for call in _CALLS
    ]
    ready = not any(done) and library.seccomp_load(rules) == 0
    if not any(done) and not ready:
        library.seccomp_attr_set(rules, _NO_NEW_PRIVILEGES, ctypes.c_uint32(1))
        ready = library.seccomp_load(rules) == 0
    library.seccomp_release(rules)
    return ready
