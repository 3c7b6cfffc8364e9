"""Landlock: which files this process, and whatever it becomes, may touch (Linux 5.13 or later).

Everything Landlock knows how to restrict is restricted: reading, writing, making and removing files
(ABI 1), moving between folders (2), truncating (3), TCP (4), devices (5), signals and abstract
sockets that leave the process's domain (6). What the kernel at hand does not know, and what
Landlock does not cover at any version (modes, owners, times, attributes), the system-call filter
has no entry for.

Source: the kernel's Documentation/userspace-api/landlock.rst.
"""

from __future__ import annotations

import ctypes
import os
import stat
from collections.abc import Iterable

from meta.sandbox.kernel import system_call

_CREATE, _ADD_RULE, _RESTRICT = 444, 445, 446
_VERSION = 1
_PATH_BENEATH = 1

WRITE_FILE, READ_FILE, READ_DIR = 1 << 1, 1 << 2, 1 << 3
_REMOVE_FILE, _MAKE_REGULAR, _TRUNCATE = 1 << 5, 1 << 8, 1 << 14
READ = READ_FILE | READ_DIR
OWN_FOLDER = READ | WRITE_FILE | _REMOVE_FILE | _MAKE_REGULAR | _TRUNCATE
"""No folders are made in it, and no links, pipes or devices."""
_OF_A_FILE = WRITE_FILE | READ_FILE | _TRUNCATE


class _Ruleset(ctypes.Structure):
    _fields_ = (
        ("handled_access_fs", ctypes.c_uint64),
        ("handled_access_net", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    )


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


def landlock_version() -> int:
    """Landlock's ABI version; 0 where the kernel lacks it or has it switched off."""
    try:
        return system_call(_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(_VERSION))
    except OSError:
        return 0


def restrict_files(allowed: Iterable[tuple[str, int]]) -> None:
    """Forbids every access to files but those listed; no_new_privs must be set.

    Args:
        allowed: paths with what may be done there and beneath; those that do not exist are skipped.

    Raises:
        OSError: the kernel has no Landlock, or refuses.
    """
    version = system_call(_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(_VERSION))
    rights = (1 << (13 + (version >= 2) + (version >= 3) + (version >= 5))) - 1
    ruleset = _Ruleset(rights, 3 if version >= 4 else 0, 3 if version >= 6 else 0)
    size = 8 * (1 + (version >= 4) + (version >= 6))
    handle = system_call(_CREATE, ctypes.byref(ruleset), ctypes.c_size_t(size), ctypes.c_uint32(0))
    for path, access in allowed:
        _allow(handle, path, access & rights)
    system_call(_RESTRICT, ctypes.c_int(handle), ctypes.c_uint32(0))
    os.close(handle)


def _allow(handle: int, path: str, access: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (FileNotFoundError, PermissionError):
        return
    if not stat.S_ISDIR(os.fstat(place).st_mode):
        access &= _OF_A_FILE
    rule = _PathBeneath(access, place)
    system_call(
        _ADD_RULE,
        ctypes.c_int(handle),
        ctypes.c_int(_PATH_BENEATH),
        ctypes.byref(rule),
        ctypes.c_uint32(0),
    )
    os.close(place)
