"""The sandbox as judges use it: a program on an input, or code against tests."""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass

from meta.sandbox.landlock import landlock_version
from meta.sandbox.limits import Limits
from meta.sandbox.names import BrokenTestsError
from meta.sandbox.process import Jail, Nursery, SandboxError, collect, jail, unnamed_file
from meta.sandbox.seccomp import known_architecture
from meta.sandbox.suite import UnitTests
from selfplay.core.errors import ResourceError

_ENDING_SECONDS = 1.0

_ATTEMPTS = """
import os, socket
def fill():
    for name in "ab":
        with open(name, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, {more_than_half})
def refused(attempt):
    try:
        attempt()
    except OSError:
        return True
forbidden = [socket.socket, os.fork, lambda: open({file!r}), lambda: open({file!r}, "a"), fill]
print(all(map(refused, forbidden)))
"""


@dataclass(frozen=True)
class ProgramRun:
    """What became of a program."""

    output: str
    """What it wrote to standard output, as far as it was read."""
    exit_code: int
    """Negative: the signal that ended it."""
    timeout: bool
    """Its processor time or the wall-clock time ran out."""
    over: str = ""
    """Another limit that it was ended at: `output`."""


@dataclass(frozen=True)
class SuiteRun:
    """What became of code and its tests."""

    passed: int
    total: int
    timeout: bool
    """Time ran out; tests that did not run by then have not passed."""


class Sandbox:
    """Runs code within limits; the package says what holds. Safe to call from several threads."""

    def __init__(self, limits: Limits | None = None) -> None:
        """Tries the bans on this machine, rather than believing in them.

        Args:
            limits: what one process may use.

        Raises:
            ResourceError: the kernel does not enforce the bans.
        """
        self._limits = limits or Limits()
        problem = _unsupported() or self._tried()
        if problem:
            raise ResourceError(
                "running unknown code needs Linux on x86-64 or AArch64 with seccomp and Landlock: "
                f"{problem}. Judge on such a machine; in a container, allow these system calls."
            )

    def _tried(self) -> str:
        """What is wrong after an attempt at everything that is forbidden; empty for nothing."""
        with tempfile.NamedTemporaryFile() as file:
            try:
                self._nursery = Nursery(self._limits.packages)
                more_than_half = (self._limits.disk << 20) * 3 // 5
                attempts = _ATTEMPTS.format(file=file.name, more_than_half=more_than_half)
                run = self.run_program(attempts)
            except (OSError, SandboxError) as error:
                return str(error)
        return "" if run.output == "True\n" else "here a forbidden action was not refused"

    def run_program(self, code: str, stdin: str = "") -> ProgramRun:
        """Runs a program on its standard input.

        Raises:
            SandboxError: the sandbox failed, not the program.
        """
        with ExitStack() as stack, _blamed_on_the_sandbox():
            given = stack.enter_context(unnamed_file(stdin.encode(errors="replace")))
            read, write = _pipe(stack)
            job, streams = {"code": code}, (given.fileno(), write)
            with os.fdopen(write, "wb"):
                process = stack.enter_context(
                    jail(self._nursery, "program", job, self._limits, (), *streams)
                )
            collect(read, process, self._limits)
            process.end()
            process.check()
            output = process.output.decode(errors="replace")
            return ProgramRun(output, process.exit_code, process.out_of_time, process.over)

    def run_tests(self, code: str, tests: UnitTests) -> SuiteRun:
        """Runs tests in assertion form against code.

        Raises:
            SandboxError: the sandbox failed, not the code.
            BrokenTestsError: the tests are at fault.
        """
        job = {"code": f"{tests.prefix}\n{code}" if tests.prefix else code, **asdict(tests)}
        with ExitStack() as stack, _blamed_on_the_sandbox():
            read, results = _pipe(stack)
            with ExitStack() as handed_over:
                requests = _both(handed_over)
                replies = _both(handed_over)
                handed_over.callback(os.close, results)
                under_test = stack.enter_context(
                    jail(self._nursery, "candidate", {}, self._limits, (requests[0], replies[1]))
                )
                pipes = (replies[0], requests[1], results)
                testing = stack.enter_context(
                    jail(self._nursery, "tester", job, self._limits, pipes)
                )
            collect(read, testing, self._limits)
            return _outcome(testing, under_test)


def _unsupported() -> str:
    """What this machine lacks, as far as it can be asked; empty for nothing."""
    if not sys.platform.startswith("linux") or not known_architecture():
        return f"found {sys.platform} on {platform.machine()}"
    return "" if landlock_version() else "this kernel has no Landlock, or not switched on"


@contextmanager
def _blamed_on_the_sandbox() -> Iterator[None]:
    """Turns what the system refuses to the sandbox, such as space, into a SandboxError."""
    try:
        yield
    except OSError as error:
        raise SandboxError(f"the sandbox did not start: {error}") from error


def _pipe(stack: ExitStack) -> tuple[int, int]:
    """A pipe; the end to read from is closed with `stack`."""
    read, write = os.pipe()
    stack.callback(os.close, read)
    return read, write


def _both(stack: ExitStack) -> tuple[int, int]:
    """A pipe, closed with `stack`."""
    read, write = _pipe(stack)
    stack.callback(os.close, write)
    return read, write


def _outcome(testing: Jail, under_test: Jail) -> SuiteRun:
    """What the tests said, line by line; of a line that was cut off nothing is known."""
    said = [json.loads(line) for line in testing.output.split(b"\n")[:-1]]
    if any(line.get("ended") for line in said):
        under_test.ended(_ENDING_SECONDS)  # so that its exit code says why
    testing.end()
    testing.check()
    for line in said:
        if "broken" in line:  # maybe before the code under test has had the time to start
            raise BrokenTestsError(line["broken"])
    if not said:
        raise BrokenTestsError("they ended before the first of them")
    under_test.end()
    under_test.check()
    passed = sum(line.get("passed", False) for line in said)
    timeout = testing.out_of_time or under_test.out_of_time
    return SuiteRun(passed, said[0]["total"], timeout)
