"""Claims about what is told while work is under way."""

from __future__ import annotations

import threading

from selfplay.core.notices import heard_by, note, stir, waiting


class Lines(list[str]):
    """Lines that were told; `some` is set from the `enough`-th on."""

    def __init__(self, enough: int = 1) -> None:
        super().__init__()
        self.enough, self.some = enough, threading.Event()

    def tell(self, line: str) -> None:
        self.append(line)
        if len(self) >= self.enough:
            self.some.set()


def test_a_note_is_told_once_to_the_innermost_listener_and_to_nobody_without_one() -> None:
    note("before")
    outer, inner = Lines(), Lines()
    with heard_by(outer.tell):
        with heard_by(inner.tell):
            note("a")
            note("a")
        note("b")
        note("b")
    note("after")
    assert (outer, inner) == (["b"], ["a"])


def test_what_is_waited_for_is_told_again_and_again_while_it_lasts() -> None:
    lines = Lines(enough=3)
    with heard_by(lines.tell, every=0.04):
        with waiting("the server", lambda: "1 of 2"):
            assert lines.some.wait(20.0)
        told = len(lines)
        lines.some.clear()
        assert not lines.some.wait(0.2)
    assert len(lines) <= told + 1
    assert all(line.startswith("waiting for the server (") for line in lines)
    assert lines[0].endswith(" s): 1 of 2")


def test_of_blocks_within_one_another_the_innermost_is_told() -> None:
    lines = Lines()
    with heard_by(lines.tell, every=0.04), waiting("a round"), waiting("a server"):
        assert lines.some.wait(20.0)
    assert lines[0].startswith("waiting for a server")


def test_what_does_not_last_is_not_told() -> None:
    lines = Lines()
    with heard_by(lines.tell, every=600.0), waiting("a moment"):
        assert not lines.some.wait(0.05)
    assert lines == []


def test_while_something_is_shown_nothing_is_told_of_a_wait() -> None:
    lines = Lines()
    with heard_by(lines.tell, every=2.0), waiting("the run"):
        for _ in range(30):
            stir()
            assert not lines.some.wait(0.1)
    assert lines == []


def test_a_listener_that_fails_does_not_end_what_is_waited_for() -> None:
    tried = threading.Event()

    def tell(line: str) -> None:
        tried.set()
        raise OSError("nobody reads")

    with heard_by(tell, every=0.04), waiting("the server"):
        assert tried.wait(20.0)
        tried.clear()
        assert tried.wait(20.0), "it goes on trying"
