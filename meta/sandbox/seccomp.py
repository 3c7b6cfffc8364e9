"""The system-call filter: what a single-process Python program needs, and nothing else.

A list of what is allowed, since a list of what is forbidden ages with every kernel (io_uring went
round many). A call that is not listed fails with "not implemented", to which the C library and
Python have answers; those that a program would try on purpose fail with "not permitted". Some calls
are allowed with certain arguments only:

- `clone` makes threads, not processes;
- `tgkill` and `prlimit64` reach this process alone, which can neither kill itself nor change how
  much processor time it has: a process that is killed otherwise was killed from outside;
- `open` and `openat` make no file that runs with its owner's rights;
- `sendto` names no address (a socket pair, which asyncio needs, could otherwise reach out);
- `fcntl` and `ioctl` do not name a process to be signalled.

Source: the kernel's Documentation/userspace-api/seccomp_filter.rst; numbers from the system-call
tables of x86-64 and of AArch64 (asm-generic).
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Iterator, Sequence

from meta.sandbox.kernel import prctl

_PR_SET_SECCOMP = 22
_MODE_FILTER = 2
_LOAD, _JUMP_EQUAL, _JUMP_SET, _RETURN = 0x20, 0x15, 0x45, 0x06
_NUMBER, _ARCH, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data
_ALLOW, _KILL, _FAIL = 0x7FFF0000, 0x80000000, 0x00050000
_CLONE_THREAD = 0x10000

_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

# name: number on x86-64, number on AArch64 (None where it does not exist)
_CALLS: dict[str, tuple[int | None, int | None]] = {
    "read": (0, 63), "write": (1, 64), "readv": (19, 65), "writev": (20, 66),
    "pread64": (17, 67), "pwrite64": (18, 68), "preadv": (295, 69), "pwritev": (296, 70),
    "lseek": (8, 62), "close": (3, 57), "close_range": (436, 436),
    "stat": (4, None), "lstat": (6, None), "fstat": (5, 80),
    "newfstatat": (262, 79), "statx": (332, 291), "statfs": (137, 43), "fstatfs": (138, 44),
    "access": (21, None), "faccessat": (269, 48), "faccessat2": (439, 439),
    "getdents64": (217, 61), "getcwd": (79, 17), "chdir": (80, 49), "fchdir": (81, 50),
    "rename": (82, None), "renameat": (264, 38), "renameat2": (316, 276),
    "unlink": (87, None), "unlinkat": (263, 35), "ftruncate": (77, 46), "fallocate": (285, 47),
    "readlink": (89, None), "readlinkat": (267, 78), "umask": (95, 166), "fsync": (74, 82),
    "fdatasync": (75, 83), "flock": (73, 32), "copy_file_range": (326, 285),
    "sendfile": (40, 71), "fadvise64": (221, 223),
    "dup": (32, 23), "dup2": (33, None), "dup3": (292, 24), "pipe": (22, None), "pipe2": (293, 59),
    "poll": (7, None), "ppoll": (271, 73), "select": (23, None), "pselect6": (270, 72),
    "epoll_create": (213, None), "epoll_create1": (291, 20), "epoll_ctl": (233, 21),
    "epoll_wait": (232, None), "epoll_pwait": (281, 22), "eventfd2": (290, 19),
    "socketpair": (53, 199), "recvfrom": (45, 207), "shutdown": (48, 210),
    "getsockname": (51, 204), "getpeername": (52, 205), "getsockopt": (55, 209),
    "mmap": (9, 222), "munmap": (11, 215), "mprotect": (10, 226), "mremap": (25, 216),
    "brk": (12, 214), "madvise": (28, 233), "msync": (26, 227), "mincore": (27, 232),
    "futex": (202, 98), "set_robust_list": (273, 99), "get_robust_list": (274, 100),
    "set_tid_address": (218, 96), "rseq": (334, 293), "arch_prctl": (158, None),
    "membarrier": (324, 283), "restart_syscall": (219, 128),
    "rt_sigaction": (13, 134), "rt_sigprocmask": (14, 135), "rt_sigreturn": (15, 139),
    "rt_sigpending": (127, 136), "rt_sigtimedwait": (128, 137), "rt_sigsuspend": (130, 133),
    "sigaltstack": (131, 132), "pause": (34, None), "alarm": (37, None),
    "setitimer": (38, 103), "getitimer": (36, 102),
    "nanosleep": (35, 101), "clock_nanosleep": (230, 115), "clock_gettime": (228, 113),
    "clock_getres": (229, 114), "gettimeofday": (96, 169), "time": (201, None),
    "times": (100, 153), "getrusage": (98, 165), "getrlimit": (97, 163),
    "getrandom": (318, 278), "uname": (63, 160), "sysinfo": (99, 179), "getcpu": (309, 168),
    "sched_yield": (24, 124), "sched_getaffinity": (204, 123),
    "getpid": (39, 172), "gettid": (186, 178), "getppid": (110, 173), "getuid": (102, 174),
    "geteuid": (107, 175), "getgid": (104, 176), "getegid": (108, 177), "getgroups": (115, 158),
    "getresuid": (118, 148), "getresgid": (120, 150), "getpgid": (121, 155), "getpgrp": (111, None),
    "getsid": (124, 156), "exit": (60, 93), "exit_group": (231, 94),
}  # fmt: skip

_REFUSED: dict[str, tuple[int | None, int | None]] = {
    "socket": (41, 198), "connect": (42, 203), "bind": (49, 200), "listen": (50, 201),
    "fork": (57, None), "vfork": (58, None), "execve": (59, 221), "execveat": (322, 281),
    "kill": (62, 129), "tkill": (200, 130), "ptrace": (101, 117), "chmod": (90, None),
    "fchmod": (91, 52), "fchmodat": (268, 53), "mkdir": (83, None), "mkdirat": (258, 34),
    "rmdir": (84, None), "link": (86, None), "linkat": (265, 37), "symlink": (88, None),
    "symlinkat": (266, 36), "truncate": (76, 45), "chown": (92, None), "fchownat": (260, 54),
    "utimensat": (280, 88), "setsid": (112, 157), "setpgid": (109, 154), "unshare": (272, 97),
    "mount": (165, 40), "prctl": (157, 167),
}  # fmt: skip

_CLONE = (56, 220)
_OPEN, _OPENAT = (2, None), (257, 56)
_TGKILL = (234, 131)
_SETRLIMIT, _PRLIMIT = (160, 164), (302, 261)
_SIGKILL, _RLIMIT_CPU, _SET_ID_BITS = 9, 0, 0o6000
_SENDTO = (44, 206)
_FCNTL = (72, 25)
_IOCTL = (16, 29)
_FCNTL_UNSAFE = (8, 10, 15, 1024, 1026)  # F_SETOWN, F_SETSIG, F_SETOWN_EX, F_SETLEASE, F_NOTIFY
_IOCTL_SAFE = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)
# TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, FIONCLEX, FIOCLEX


def known_architecture() -> bool:
    """Are this machine's system-call numbers in the table?"""
    return os.uname().machine in _ARCHITECTURES and struct.calcsize("P") == 8


def restrict_calls() -> None:
    """Puts the filter on this process for good; no_new_privs must be set. Raises OSError."""
    code = b"".join(_program())
    buffer = ctypes.create_string_buffer(code, len(code))
    header = struct.pack("@HP", len(code) // 8, ctypes.addressof(buffer))
    program = ctypes.create_string_buffer(header, len(header))
    prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.addressof(program))


def _instruction(code: int, operand: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, operand)


def _program() -> Iterator[bytes]:
    """The filter, in classic BPF. On x86-64, numbers of the x32 interface match no entry."""
    which = list(_ARCHITECTURES).index(os.uname().machine)
    yield _instruction(_LOAD, _ARCH)
    yield _instruction(_JUMP_EQUAL, _ARCHITECTURES[os.uname().machine], 1, 0)
    yield _instruction(_RETURN, _KILL)
    yield _instruction(_LOAD, _NUMBER)
    for numbers in _CALLS.values():
        yield from _when(numbers[which], [_instruction(_RETURN, _ALLOW)])
    for numbers in _REFUSED.values():
        yield from _when(numbers[which], [_instruction(_RETURN, _FAIL | errno.EPERM)])
    pid = os.getpid()
    yield from _when(_CLONE[which], _decided(0, [_CLONE_THREAD], test=_JUMP_SET))
    yield from _when(_OPEN[which], _decided(2, [_SET_ID_BITS], allow=False, test=_JUMP_SET))
    yield from _when(_OPENAT[which], _decided(3, [_SET_ID_BITS], allow=False, test=_JUMP_SET))
    yield from _when(_TGKILL[which], [*_refused_if(2, _SIGKILL), *_decided(0, [pid])])
    yield from _when(_SETRLIMIT[which], _decided(0, [_RLIMIT_CPU], allow=False))
    yield from _when(_PRLIMIT[which], [*_no_new_time(), *_decided(0, [0, pid])])
    yield from _when(_IOCTL[which], _decided(1, _IOCTL_SAFE))
    yield from _when(_FCNTL[which], _decided(1, _FCNTL_UNSAFE, allow=False))
    yield from _when(_SENDTO[which], [*_null(4), _instruction(_RETURN, _ALLOW)])
    yield _instruction(_RETURN, _FAIL | errno.ENOSYS)


def _when(number: int | None, body: Sequence[bytes]) -> list[bytes]:
    """`body`, reached by one system call only; it must return."""
    if number is None:
        return []
    return [_instruction(_JUMP_EQUAL, number, 0, len(body)), *body]


def _decided(
    argument: int, values: Sequence[int], allow: bool = True, test: int = _JUMP_EQUAL
) -> list[bytes]:
    """Allows, or refuses, the call if the low half of an argument matches one of `values`.

    The kernel reads no more than the low half of those that are tested here.
    """
    matched, other = (_ALLOW, _FAIL | errno.EPERM) if allow else (_FAIL | errno.EPERM, _ALLOW)
    found = [_instruction(_LOAD, _ARGUMENTS + 8 * argument)]
    for value in values:
        found += [_instruction(test, value, 0, 1), _instruction(_RETURN, matched)]
    return [*found, _instruction(_RETURN, other)]


def _refused_if(argument: int, value: int) -> list[bytes]:
    """Refuses the call if the low half of an argument is `value`, else goes on."""
    return [
        _instruction(_LOAD, _ARGUMENTS + 8 * argument),
        _instruction(_JUMP_EQUAL, value, 0, 1),
        _instruction(_RETURN, _FAIL | errno.EPERM),
    ]


def _null(argument: int) -> list[bytes]:
    """Refuses the call unless both halves of an argument are 0, else goes on."""
    halves = (_ARGUMENTS + 8 * argument, _ARGUMENTS + 8 * argument + 4)
    return [
        step
        for half in halves
        for step in (
            _instruction(_LOAD, half),
            _instruction(_JUMP_EQUAL, 0, 1, 0),
            _instruction(_RETURN, _FAIL | errno.EPERM),
        )
    ]


def _no_new_time() -> list[bytes]:
    """Refuses `prlimit64` when it sets a limit of processor time, else goes on."""
    asking_only = _null(2)
    return [
        _instruction(_LOAD, _ARGUMENTS + 8),
        _instruction(_JUMP_EQUAL, _RLIMIT_CPU, 0, len(asking_only)),
        *asking_only,
    ]
