"""System calls that Python has no function for, through the C library."""

from __future__ import annotations

import ctypes
import os

_LIBC = ctypes.CDLL(None, use_errno=True)

_UNSHARED = 0x10000000 | 0x40000000 | 0x08000000  # CLONE_NEWUSER, CLONE_NEWNET, CLONE_NEWIPC
_CAPABILITIES_V3 = 0x20080522
_SYS_CAPSET = {"x86_64": 126, "aarch64": 91}
_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_SIGKILL = 9


def system_call(number: int, *arguments: object) -> int:
    """The result of a system call.

    Raises:
        OSError: the kernel refused it.
    """
    result: int = _LIBC.syscall(ctypes.c_long(number), *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def prctl(option: int, *arguments: int) -> None:
    """Changes a property of this process. Raises OSError when the kernel refuses."""
    words = [ctypes.c_ulong(word) for word in (*arguments, 0, 0, 0, 0)[:4]]
    if _LIBC.prctl(option, *words):
        raise OSError(ctypes.get_errno(), f"prctl {option}: {os.strerror(ctypes.get_errno())}")


def own_namespaces() -> bool:
    """Moves into fresh user, network and IPC namespaces; False where that is not permitted."""
    return bool(_LIBC.unshare(_UNSHARED) == 0)


def drop_privileges() -> None:
    """Gives up every capability, root's too, and the ways to regain one. Raises OSError."""
    prctl(_PR_SET_NO_NEW_PRIVS, 1)
    header = (ctypes.c_uint32 * 2)(_CAPABILITIES_V3, 0)
    none = (ctypes.c_uint32 * 6)()
    system_call(_SYS_CAPSET[os.uname().machine], header, none)


def die_with_parent(parent: int) -> None:
    """Has the kernel kill this process when its parent ends; ends at once if that has happened."""
    prctl(_PR_SET_PDEATHSIG, _SIGKILL)
    if os.getppid() != parent:
        raise SystemExit(1)
