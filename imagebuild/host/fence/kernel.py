"""System calls that Python has no names for, by libc's syscall(2); each raises OSError.

Numbers from 424 on are the same on every architecture (the kernel's scripts/syscall.tbl).
"""

from __future__ import annotations

import ctypes
import functools
import os

_OPEN_TREE, _MOVE_MOUNT, _MOUNT_SETATTR = 428, 429, 442
_LANDLOCK_CREATE_RULESET, _LANDLOCK_RESTRICT_SELF = 444, 446
CLONE_NEWNS, CLONE_NEWUSER = 0x2_0000, 0x1000_0000
_PR_SET_NO_NEW_PRIVS = 38
_AT_FDCWD, _AT_EMPTY_PATH = -100, 0x1000
_OPEN_TREE_CLONE, _OPEN_TREE_CLOEXEC = 1, os.O_CLOEXEC
_MOVE_MOUNT_F_EMPTY_PATH = 4
_MOUNT_ATTR_IDMAP = 0x10_0000
# landlock.h: the two scopes of ABI 6 (Linux 6.12), and the flag that asks for the version.
_SCOPE_ABSTRACT_UNIX_SOCKET, _SCOPE_SIGNAL = 1, 2
_CREATE_RULESET_VERSION = 1
SCOPES_SINCE = 6


@functools.cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _checked(answer: int) -> int:
    if answer < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return answer


def _call(number: int, *arguments: object) -> int:
    return _checked(int(_libc().syscall(ctypes.c_long(number), *arguments)))


class _MountAttributes(ctypes.Structure):
    _fields_ = (
        ("attr_set", ctypes.c_uint64),
        ("attr_clr", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns_fd", ctypes.c_uint64),
    )


class _Ruleset(ctypes.Structure):
    _fields_ = (
        ("handled_access_fs", ctypes.c_uint64),
        ("handled_access_net", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    )


def unshare_user() -> None:
    """A new user namespace for this process, without any ids yet (user_namespaces(7))."""
    _checked(_libc().unshare(CLONE_NEWUSER))


def unshare_mounts() -> None:
    """A mount namespace for this process alone (mount_namespaces(7))."""
    _checked(_libc().unshare(CLONE_NEWNS))


def enter_user(descriptor: int) -> None:
    """Enter an existing user namespace (setns(2))."""
    _checked(_libc().setns(descriptor, CLONE_NEWUSER))


def mount_with_ids(directory: bytes, user_namespace: int, target: bytes) -> None:
    """Show `directory` at `target`, its owners mapped as in that user namespace (mount_setattr(2), idmapped mounts)."""
    tree = _call(_OPEN_TREE, ctypes.c_int(_AT_FDCWD), directory, ctypes.c_uint(_OPEN_TREE_CLONE | _OPEN_TREE_CLOEXEC))
    try:
        wanted = _MountAttributes(attr_set=_MOUNT_ATTR_IDMAP, userns_fd=user_namespace)
        size = ctypes.c_size_t(ctypes.sizeof(wanted))
        _call(_MOUNT_SETATTR, ctypes.c_int(tree), b"", ctypes.c_uint(_AT_EMPTY_PATH), ctypes.byref(wanted), size)
        where = (ctypes.c_int(_AT_FDCWD), target)
        _call(_MOVE_MOUNT, ctypes.c_int(tree), b"", *where, ctypes.c_uint(_MOVE_MOUNT_F_EMPTY_PATH))
    finally:
        os.close(tree)


def no_new_privileges() -> None:
    """No program gains privileges by setuid or by file capabilities from here on (prctl(2))."""
    _checked(_libc().prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))


def landlock_version() -> int:
    """Landlock's ABI on this kernel; 0: it has none."""
    try:
        return _call(_LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_CREATE_RULESET_VERSION))
    except OSError:
        return 0


def scope_sockets_and_signals() -> None:
    """This process and what it starts reach no abstract socket and no process from outside (landlock(7))."""
    wanted = _Ruleset(scoped=_SCOPE_ABSTRACT_UNIX_SOCKET | _SCOPE_SIGNAL)
    size = ctypes.c_size_t(ctypes.sizeof(wanted))
    ruleset = _call(_LANDLOCK_CREATE_RULESET, ctypes.byref(wanted), size, ctypes.c_uint32(0))
    try:
        _call(_LANDLOCK_RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint32(0))
    finally:
        os.close(ruleset)
