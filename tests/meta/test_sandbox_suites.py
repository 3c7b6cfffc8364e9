"""Claims about tests run against code in another process: what passes, and what cannot be faked."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

import pytest

from meta.sandbox.limits import Limits
from meta.sandbox.sandbox import Sandbox, SuiteRun
from meta.sandbox.tester import BrokenTestsError, UnitTests
from selfplay.core.errors import ResourceError

LIMITS = Limits(seconds=1, wall_seconds=5, memory=256, disk=2)
SORTED = ("assert f([3, 1, 2]) == [1, 2, 3]", "assert f([]) == []")

HUMAN_EVAL = """
METADATA = {'author': 'x'}

def check(candidate):
    assert candidate([1.0, 2.0, 3.9], 0.3) is False
    assert candidate([1.0, 2.0, 2.1], 0.3) == True
"""


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    try:
        yield Sandbox(LIMITS)
    except ResourceError as error:
        pytest.skip(f"no sandbox on this machine: {error}")


def suite(sandbox: Sandbox, code: str, *tests: str, setup: str = "", entry: str = "") -> SuiteRun:
    source = textwrap.dedent(tests[0]) if len(tests) == 1 else tests
    return sandbox.run_tests(textwrap.dedent(code), UnitTests(source, setup, entry))


def test_right_code_passes_and_wrong_code_fails(sandbox: Sandbox) -> None:
    assert suite(sandbox, "def f(x): return sorted(x)", *SORTED) == SuiteRun(2, 2, False)
    assert suite(sandbox, "def f(x): return x", *SORTED) == SuiteRun(1, 2, False)


@pytest.mark.parametrize("entry", ["", "close"])
def test_check_functions_are_given_the_entry_point(sandbox: Sandbox, entry: str) -> None:
    code = "def close(xs, t): return any(abs(a - b) < t for a in xs for b in xs if a is not b)"
    tests = HUMAN_EVAL if entry else HUMAN_EVAL + "\ncheck(close)"
    assert suite(sandbox, code, tests, entry=entry) == SuiteRun(1, 1, False)
    assert suite(sandbox, "def close(xs, t): pass", tests, entry=entry).passed == 0


def test_assertions_of_one_text_are_counted_one_by_one(sandbox: Sandbox) -> None:
    tests = """
        import math
        def near(a, b):
            return math.isclose(a, b)
        value = half(3)
        assert near(value, 1.5)
        assert half(4) == 3
        assert half(0) == 0
    """
    assert suite(sandbox, "def half(x): return x / 2", tests) == SuiteRun(2, 3, False)


def test_test_functions_that_import_the_solution_are_run(sandbox: Sandbox) -> None:
    tests = """
        from solution import f
        def test_one():
            assert f(1) == 2
        def test_two():
            assert f(2) == 2
    """
    assert suite(sandbox, "def f(x): return 2", tests) == SuiteRun(2, 2, False)
    assert suite(sandbox, "def g(x): return 2", tests) == SuiteRun(0, 2, False)


def test_setup_may_use_the_code(sandbox: Sandbox) -> None:
    code = """
        class Node:
            def __init__(self, value):
                self.value, self.next = value, None
        def length(node):
            return 0 if node is None else 1 + length(node.next)
    """
    setup = "first = Node(1)\nfirst.next = Node(2)"
    tests = (
        "assert length(first) == 2",
        "assert first.next.value == 2",
        "assert length(None) == 0",
    )
    assert suite(sandbox, code, *tests, setup=setup) == SuiteRun(3, 3, False)


@pytest.mark.parametrize(
    ("code", "test"),
    [
        ("def f(x): return x[::-1]", "assert f('ñ\U0001f600\\ud800') == '\\ud800\U0001f600ñ'"),
        ("def f(x): return x + 1", "assert f(2**200) == 2**200 + 1"),
        ("def f(x): return 7 ** x", "assert f(20000) == 7 ** 20000"),
        (
            "def f(x): return x",
            "assert f((1, [2.5, None], {3: {4}})) == (1, [2.5, None], {3: {4}})",
        ),
        ("def f(x): return x", "assert f(float('inf')) > 0 and f(1j) == 1j and f(b'a') == b'a'"),
        ("def f(x): return x", "assert f(True) is True and f(None) is None"),
        ("def f(x): return (i * i for i in range(x))", "assert list(f(3)) == [0, 1, 4]"),
        ("def f(x): return zip(x, x)", "assert sorted(f([1])) == [(1, 1)]"),
        ("def f(x): return {1: 2}.items()", "assert dict(f(0)) == {1: 2}"),
        (
            "from fractions import Fraction\ndef f(x): return Fraction(1, x)",
            "from fractions import Fraction\nassert f(3) == Fraction(1, 3)",
        ),
        (
            "from collections import *\ndef f(x): return Counter(x), OrderedDict(a=1), deque(x)",
            "from collections import *\nassert f('aab') == (Counter('aab'), {'a': 1}, deque('aab'))",
        ),
        ("from typing import *\ndef f(x: List[int]): return x", "assert f([1]) == [1]"),
        ("def f(x, *, key=0): return x + key", "assert f(1, key=2) == 3"),
        ("def f(x): x.append(1); x.sort()", "a = [2]\nf(a)\nassert a == [1, 2]"),
        ("def f(d): d.pop('a')", "d = {'a': 1, 'b': [2]}\nf(d)\nassert d == {'b': [2]}"),
        ("def g(x): return x\ndef f(g, x): return g(x)", "assert f(g, 2) == 2"),
        ("def sum(a, b): return a * b", "assert sum(10, 15) == 150"),
        ("def f(x): return x\ndef sorted(x): return [1, 2]", "assert sorted(f([2, 1])) == [1, 2]"),
        (
            "class Stack(list):\n    pass\nclass S:\n    def __init__(self): self.items = []\n"
            "    def push(self, x): self.items.append(x)\n    def __len__(self): return 5",
            "s = S()\ns.push(1)\nassert len(s) == 5 and s.items == [1] and s == s",
        ),
        (
            "class MyError(ValueError): pass\ndef f(x): raise MyError('bad')",
            "try:\n    f(1)\nexcept ValueError as error:\n    found = str(error)\nassert found == 'bad'",
        ),
    ],
)
def test_honest_code_passes(sandbox: Sandbox, code: str, test: str) -> None:
    assert suite(sandbox, code, test, "pass") == SuiteRun(2, 2, False)


@pytest.mark.parametrize(
    "code",
    [
        "",
        "this is not code",
        "import sys; sys.exit(0)",
        "import os; os._exit(0)",
        "def f(x):\n    import sys; sys.exit(0)",
        "def f(x):\n    import os; os._exit(0)",
        "raise SystemExit",
        "def f(x): raise SystemExit",
        "def f(x): raise KeyboardInterrupt",
        "print('ok'); print('2 passed'); print('{\"passed\": true}')",
        "f = None",
        "class Same(list):\n    def __eq__(self, other): return True\n    def __ne__(self, other): return "
        "False\n    __hash__ = None\ndef f(x): return Same([9])",
        "class Any:\n    def __eq__(self, other): return True\ndef f(x): return Any()",
        "class Sly(int):\n    def __eq__(self, other): return True\ndef f(x): return Sly(4)",
        "class Sly:\n    __class__ = list\n    def __eq__(self, other): return True\n"
        "def f(x): return Sly()",
        "import builtins\nbuiltins.AssertionError = None\nbuiltins.sorted = lambda x: [1, 2, 3]\n"
        "def f(x): return x * 2 or 1",
        "import unittest, sys\nsys.settrace(lambda *a: None)\nsys.modules.clear()\n",
        "import gc, os\ntexts = [o for o in gc.get_objects() if 'f([3, 1, 2])' in repr(o)[:500]]\n"
        "def f(x): return texts[0]",
        "def f(x):\n    import inspect\n    return [g.f_globals for g in inspect.stack()] and True",
        "import os, signal\nos.kill(os.getppid(), signal.SIGKILL)\n",
        "import os\nfor d in range(3, 20):\n    try: os.write(d, b'{\"passed\": true}\\n' * 9)\n"
        "    except OSError: pass\n",
        "import os, json\nm = json.dumps({'value': [1, 2, 3], 'changed': {}}).encode()\n"
        "for d in range(3, 20):\n    try: os.write(d, (len(m).to_bytes(4, 'big') + m) * 3)\n"
        "    except OSError: pass\ndef f(x): return 1",
        "import os\nfor d in range(3, 20):\n    try: os.write(d, b'\\xff' * 9)\n"
        "    except OSError: pass\ndef f(x): return sorted(x)",
        "def f(x):\n    a = []\n    a.append(a)\n    return a",
        "def f(x): return [[]] * 10**7",
        "x = []\nfor _ in range(10**5): x = [x]\ndef f(y): return x",
        "import sys\nsys.setrecursionlimit(10**9)\ndef f(x): return f(x)",
        "def f(x): return 'x' * 10**9",
        "class E(BaseException): pass\ndef f(x): raise E",
        "class E(Exception):\n    def __str__(self): raise E\ndef f(x): raise E",
        "import solution\ndef __getattr__(name): return sorted",
        "import meta.sandbox.candidate as c\nc.Candidate.answer = lambda *_: {'value': True}",
        "import meta.sandbox.candidate as c\nc.Candidate.answer = lambda *_: {'error': 1}",
        "import meta.sandbox.candidate as c\nc.encode = lambda *_: {'decimal': 'x'}\ndef f(x): pass",
        "import meta.sandbox.candidate as c\nc.encode = lambda *_: {'range': [1]}\ndef f(x): pass",
        "import meta.sandbox.candidate as c\nc.encode = lambda *_: {'handle': {}}\ndef f(x): pass",
    ],
)
def test_what_does_not_solve_the_task_passes_nothing(sandbox: Sandbox, code: str) -> None:
    tests = (
        "assert f([3, 1, 2]) == [1, 2, 3]",
        "try:\n    found = f([2, 1])\nexcept Exception:\n    found = 0\nassert found == [1, 2]",
        "assert not f([1]) != [1]",
    )
    assert suite(sandbox, code, *tests).passed == 0


def test_ending_is_not_raising(sandbox: Sandbox) -> None:
    tests = ("try:\n    f(-1)\nexcept Exception:\n    pass", "try:\n    f(-1)\nexcept:\n    pass")
    assert suite(sandbox, "def f(x): raise ValueError", *tests).passed == 2
    assert suite(sandbox, "import os\ndef f(x): os._exit(0)", *tests) == SuiteRun(0, 2, False)


def test_an_endless_loop_is_a_timeout_and_keeps_what_passed_before(sandbox: Sandbox) -> None:
    code = "def f(x):\n    while x != [3, 1, 2]: pass\n    return sorted(x)"
    assert suite(sandbox, code, *SORTED) == SuiteRun(1, 2, timeout=True)


def test_what_code_prints_is_no_matter(sandbox: Sandbox) -> None:
    code = "def f(x):\n    print('x' * 10**6, flush=True)\n    return sorted(x)"
    assert suite(sandbox, code, *SORTED) == SuiteRun(2, 2, False)


def test_code_cannot_change_what_the_tests_expect(sandbox: Sandbox) -> None:
    tests = ("expected = [1]", "x = [2]\nassert f(x, expected) is None\nassert expected == x")
    swap = "def f(x, expected): expected[:] = x"
    assert suite(sandbox, swap, *tests).passed == 2  # handed over: the tests' own choice
    hidden = "def f(x, expected):\n    global g\n    g = expected = x"
    assert suite(sandbox, hidden, *tests).passed == 1


@pytest.mark.parametrize(
    ("source", "found"),
    [
        (("assert f(",), "SyntaxError"),
        (("import no_such_module", "assert f(1)"), "no_such_module"),
        (("assert f(lambda x: x) == 1",), "function cannot be handed"),
        (("try:\n    f(print)\nexcept Exception:\n    pass",), "cannot be handed"),
        ("x = 1", "no assertion"),
    ],
)
def test_tests_that_are_at_fault_are_no_result(
    sandbox: Sandbox, source: str | tuple[str, ...], found: str
) -> None:
    with pytest.raises(BrokenTestsError, match=found):
        sandbox.run_tests("def f(x): return 1", UnitTests(source))


def test_tests_are_confined_too(sandbox: Sandbox) -> None:
    tests = ("import socket\nsocket.socket()", "open('/etc/passwd')", "assert f(1)")
    assert suite(sandbox, "def f(x): return 1", *tests) == SuiteRun(1, 3, False)


def test_installed_packages_are_there_when_asked_for(sandbox: Sandbox) -> None:
    pytest.importorskip("numpy")
    code = "import numpy\ndef f(x): return float(numpy.mean(x))"
    assert suite(sandbox, code, "assert f([1, 2]) == 1.5").passed == 0
    roomy = Sandbox(Limits(memory=2048, packages=True))
    assert suite(roomy, code, "assert f([1, 2]) == 1.5").passed == 1
