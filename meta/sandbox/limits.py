"""What one run of unknown code may use. Free of heavy imports: it is read inside of the process."""

from __future__ import annotations

from dataclasses import dataclass

from selfplay.core.errors import require


@dataclass(frozen=True)
class Limits:
    """What one process may use; tests in assertion form take two processes."""

    seconds: int = 5
    """Processor time."""
    wall_seconds: float = 20.0
    """Wall-clock time, the interpreter's start included; above `seconds`, since a busy machine must
    not decide what is right."""
    memory: int = 512
    """Address space, MiB."""
    output: int = 1024
    """What is read of its output, KiB; a program that writes more is ended."""
    disk: int = 16
    """What its folder may hold, MiB. The folder is in memory, and where user namespaces are not
    permitted nothing can be written."""
    threads: int = 16
    """Threads, where user namespaces are permitted and the user is not root; else as many as
    `memory` has room for."""
    packages: bool = False
    """Installed packages can be imported, not the standard library alone; starts more slowly."""

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: a value outside its range.
        """
        for name in ("seconds", "output", "disk", "threads"):
            require(getattr(self, name) >= 1, f"{where}.{name}", "1 or more", getattr(self, name))
        expected = f"at least seconds ({self.seconds})"
        require(
            self.wall_seconds >= self.seconds, f"{where}.wall_seconds", expected, self.wall_seconds
        )
        require(self.memory >= 64, f"{where}.memory", "64 MiB or more", self.memory)
