"""System calls that Python has no function for, through the C library."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

_LIBC = ctypes.CDLL(None, use_errno=True)

_UNSHARED = 0x10000000 | 0x00020000 | 0x40000000 | 0x08000000
# namespaces of users, mounts, network and IPC
_NO_SETUID_DEVICES_EXECUTION = 2 | 4 | 8  # MS_NOSUID, MS_NODEV, MS_NOEXEC
_MOST_FILES = 1000
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
    """Moves into fresh user, mount, network and IPC namespaces; False where not permitted.

    Some systems permit the move and then nothing within it, not even to say who one is there.
    """
    user, group = os.geteuid(), os.getegid()
    if _LIBC.unshare(_UNSHARED) != 0:
        return False
    maps = {"setgroups": "deny", "uid_map": f"{user} {user} 1", "gid_map": f"{group} {group} 1"}
    try:
        for name, content in maps.items():
            Path("/proc/self", name).write_text(content, encoding="ascii")
    except OSError:
        return False
    return True


def mount_own_folder(folder: str, mebibytes: int) -> None:
    """Puts a file system in memory on a folder, seen by this process alone and gone with it.

    Own namespaces are needed. What is written beyond its size finds no space left, whichever way
    it is written, and a file keeps no right that another process could use.

    Raises:
        OSError: the kernel refuses.
    """
    options = f"size={mebibytes}m,nr_inodes={_MOST_FILES},mode=700"
    words = [word.encode() for word in ("tmpfs", folder, "tmpfs")]
    flags = ctypes.c_ulong(_NO_SETUID_DEVICES_EXECUTION)
    if _LIBC.mount(*words, flags, options.encode()):
        raise OSError(ctypes.get_errno(), f"mount: {os.strerror(ctypes.get_errno())}")


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
