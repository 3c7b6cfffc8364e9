"""Locks the calling process up, for good: what runs afterwards is not trusted."""

from __future__ import annotations

import os
import resource
import sys
import sysconfig
from collections.abc import Iterator

from meta.sandbox.kernel import (
    die_with_parent,
    drop_privileges,
    mount_own_folder,
    own_namespaces,
)
from meta.sandbox.landlock import OWN_FOLDER, READ, READ_FILE, WRITE_FILE, restrict_files
from meta.sandbox.limits import Limits
from meta.sandbox.seccomp import restrict_calls

_MIB = 1 << 20
_SYSTEM_READABLE = (
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/share/zoneinfo",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/dev/urandom",
    "/dev/random",
    "/dev/zero",
)


def confine(limits: Limits, folder: str, parent: int) -> None:
    """Confines this single-threaded process to `folder` and to `limits`.

    Args:
        limits: what it may use.
        folder: its current folder, and the one place it may write to: a file system of its own in
            memory, which holds no more than the limit. Without namespaces there is none, and as
            nothing else bounds what a process can hold on a disk, it may write nowhere.
        parent: process id of the parent, with which it ends.

    Raises:
        OSError: the kernel cannot enforce one of the bans.
    """
    separate = own_namespaces()
    if separate:
        mount_own_folder(folder, limits.disk)
    os.chdir(folder)
    _limit(limits, separate)
    drop_privileges()
    die_with_parent(parent)
    restrict_files([*_readable(limits.packages), (folder, OWN_FOLDER if separate else READ)])
    restrict_calls()


def _limit(limits: Limits, separate: bool) -> None:
    bounds = {
        resource.RLIMIT_AS: limits.memory * _MIB,
        resource.RLIMIT_FSIZE: limits.disk * _MIB,
        resource.RLIMIT_NOFILE: 64,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_MEMLOCK: 0,
    }
    if separate:
        # Counted within the namespace; outside of one it would count all that the user runs.
        bounds[resource.RLIMIT_NPROC] = limits.threads
    for what, bound in bounds.items():
        _set(what, bound, bound)
    # The signal at the soft limit tells the parent why; the hard one is for who ignores it.
    _set(resource.RLIMIT_CPU, limits.seconds, limits.seconds + 1)


def _set(what: int, soft: int, hard: int) -> None:
    """Sets a limit, or keeps the present one where that is lower."""
    present = resource.getrlimit(what)[1]
    if present != resource.RLIM_INFINITY:
        soft, hard = min(soft, present), min(hard, present)
    resource.setrlimit(what, (soft, hard))


def _readable(packages: bool) -> Iterator[tuple[str, int]]:
    """The interpreter's libraries, the system's, and the harmless devices."""
    standard = {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")}
    installed = {path for path in sys.path if "-packages" in path} if packages else set()
    for path in (*sorted(standard | installed), f"{sys.base_prefix}/lib", *_SYSTEM_READABLE):
        yield path, READ
    yield "/dev/null", READ_FILE | WRITE_FILE
