"""Claims about tests run against code in another process: what passes, and what cannot be faked."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

import pytest

from meta.sandbox.limits import Limits
from meta.sandbox.names import BrokenTestsError
from meta.sandbox.sandbox import Sandbox, SuiteRun
from meta.sandbox.suite import UnitTests
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
            "from collections import *\nassert f('aa') == (Counter('aa'), {'a': 1}, deque('aa'))",
        ),
        ("from typing import *\ndef f(x: List[int]): return x", "assert f([1]) == [1]"),
        ("def f(x, *, key=0): return x + key", "assert f(1, key=2) == 3"),
        ("def f(x): x.append(1); x.sort()", "a = [2]\nf(a)\nassert a == [1, 2]"),
        ("def f(d): d.pop('a')", "d = {'a': 1, 'b': [2]}\nf(d)\nassert d == {'b': [2]}"),
        ("def g(x): return x\ndef f(g, x): return g(x)", "assert f(g, 2) == 2"),
        ("def sum(a, b): return a * b", "assert sum(10, 15) == 150"),
        ("def f(x): return x\ndef sorted(x): return [1, 2]", "assert sorted(f([2, 1])) == [1, 2]"),
        (
            """
            class S:
                def __init__(self): self.items = []
                def push(self, x): self.items.append(x)
                def __len__(self): return 5
            """,
            "s = S()\ns.push(1)\nassert len(s) == 5 and s.items == [1] and s == s",
        ),
        (
            "class MyError(ValueError): pass\ndef f(x): raise MyError('bad')",
            "try:\n    f(1)\nexcept ValueError as e:\n    found = str(e)\nassert found == 'bad'",
        ),
    ],
)
def test_honest_code_passes(sandbox: Sandbox, code: str, test: str) -> None:
    found = sandbox.run_tests(textwrap.dedent(code), UnitTests((textwrap.dedent(test),)))
    assert found == SuiteRun(1, 1, False)


UNITTEST = """
import unittest
class T(unittest.TestCase):
    def test_a(self):
        self.assertEqual(f(0), 0)
    def test_b(self):
        self.assertEqual(f(1), 1)
unittest.main()
"""


@pytest.mark.parametrize(
    ("tests", "passed", "total"),
    [
        ("assert f(0) == 0\nfor x in range(3):\n    assert f(x) == x", 1, 2),
        ("assert f(0) == 0\ny = {}[f(1)]\nassert f(0) == 0", 1, 2),
        ("assert f(0) == 0\nassert f(1) == 0\ny = {}[f(1)]", 1, 2),
        ("import random\nrandom.seed(0)\ndef test_a():\n    assert f(1) == 1", 0, 1),
        ("assert f(0) == 0\ndef test_a():\n    assert f(0) == 0", 2, 2),
        ("def test_a():\n    assert f(0) == 0\ndef test_b():\n    assert f(1) == 1", 1, 2),
        (("def test_a():\n    assert f(1) == 1", "assert f(0) == 0"), 1, 2),
        (("import math", "def g(x):\n    return f(x)", "assert g(0) == math.floor(0)"), 1, 1),
        (
            UNITTEST,
            1,
            2,
        ),
        (">>> f(0)\n0\n", 1, 1),
        (">>> f(0)\n0\n>>> f(1)\n1\n", 0, 1),
    ],
)
def test_the_share_is_that_of_tests_of_which_everything_went_well(
    sandbox: Sandbox, tests: str | tuple[str, ...], passed: int, total: int
) -> None:
    found = sandbox.run_tests("def f(x): return 0", UnitTests(tests))
    assert found == SuiteRun(passed, total, False)


@pytest.mark.parametrize(
    ("tests", "entry", "found"),
    [
        ("assert close(f(1), 1)", "", "nothing says which"),
        ("assert f(1) == g(1)", "f", "use 'g'"),
        ("def f(x): return 1\nassert f(1)", "f", "define the entry point themselves"),
        ("assert 1 == 1", "", "no name of the code's"),
        ("def test_a(x):\n    assert f(x)", "f", "arguments that nobody gives"),
        ("from solution import f\nassert g(f(1))", "", "use 'g'"),
    ],
)
def test_tests_that_do_not_say_what_they_measure_are_no_result(
    sandbox: Sandbox, tests: str, entry: str, found: str
) -> None:
    code = "def f(x): return 1\ng = close = lambda *_: True"
    with pytest.raises(BrokenTestsError, match=found):
        sandbox.run_tests(code, UnitTests(tests, entry_point=entry))


def test_a_set_up_that_fails_by_itself_is_no_result(sandbox: Sandbox) -> None:
    with pytest.raises(BrokenTestsError, match="before them fails"):
        suite(sandbox, "def f(x): return 1", "assert f(1)", setup="1 / 0")
    assert suite(sandbox, "f = abs", "assert f(1)", setup="f(1)[0]") == SuiteRun(0, 1, False)


def test_no_answer_can_have_its_tests_blamed(sandbox: Sandbox) -> None:
    tests = (
        "try:\n    found = f(1)\nexcept ValueError as error:\n    found = f(error)\nassert found"
    )
    code = "def f(x):\n    if x == 1:\n        raise ValueError\n    return True"
    assert suite(sandbox, code, tests) == SuiteRun(0, 2, False)


CHEATS = {
    "no code": "",
    "no Python": "this is not code",
    "exit at once": "import sys; sys.exit(0)",
    "end at once": "import os; os._exit(0)",
    "raise SystemExit": "raise SystemExit",
    "exit when called": "def f(x): raise SystemExit(0)",
    "end when called": "import os\ndef f(x): os._exit(0)",
    "interrupt": "def f(x): raise KeyboardInterrupt",
    "say so": """print('ok'); print('3 passed'); print('{"passed": true}')""",
    "no function": "f = None",
    "equal list": """
        class Same(list):
            def __eq__(self, other): return True
            def __ne__(self, other): return False
            __hash__ = None
        def f(x): return Same([9])
    """,
    "equal number": """
        class Sly(int):
            def __eq__(self, other): return True
            def __ne__(self, other): return False
        def f(x): return Sly(4)
    """,
    "equal object": """
        class Any:
            def __eq__(self, other): return True
            def __ne__(self, other): return False
        def f(x): return Any()
    """,
    "disguised object": """
        class Sly:
            __class__ = list
            def __eq__(self, other): return True
            def __ne__(self, other): return False
        def f(x): return Sly()
    """,
    "patched built-ins": """
        import builtins
        builtins.AssertionError = None
        builtins.sorted = lambda x: [1, 2, 3]
        def f(x): return x * 2 or 1
    """,
    "cleared modules": """
        import sys
        sys.settrace(lambda *a: None)
        sys.modules.clear()
    """,
    "search memory": """
        import gc
        sought = lambda: "]3 ,2 ,1[ == "[::-1]  # not to find this text itself
        texts = [o for o in gc.get_objects() if sought() in repr(o)[:2000]]
        def f(x): return [1, 2, 3] if texts else None
    """,
    "search the stack": """
        import inspect
        def f(x): return any("[1, 2, 3]" in repr(i.frame.f_locals) for i in inspect.stack()) and x
    """,
    "search files": """
        import os
        def f(x): return [open(name).read() for name in os.listdir() + os.listdir("/tmp")]
    """,
    "kill the parent": """
        import os
        os.kill(os.getppid(), 9)
    """,
    "forge results": """
        import os
        for descriptor in range(3, 20):
            try:
                os.write(descriptor, b'{"passed": true}\\n' * 9)
            except OSError:
                pass
    """,
    "forge unreadable replies": """
        import os
        for descriptor in range(3, 20):
            try:
                os.write(descriptor, b"\\xff" * 9)
            except OSError:
                pass
        def f(x): return sorted(x)
    """,
    "circle": """
        def f(x):
            x.append(x)
            return x
    """,
    "too large": "def f(x): return [[]] * 10**7",
    "too deep": """
        x = []
        for _ in range(10**5):
            x = [x]
        def f(y): return x
    """,
    "crash": "import sys\nsys.setrecursionlimit(10**9)\ndef f(x): return f(x)",
    "out of memory": "def f(x): return 'x' * 10**9",
    "raise what is no Exception": "class E(BaseException): pass\ndef f(x): raise E",
    "raise what has no text": """
        class E(Exception):
            def __str__(self): raise E
        def f(x): raise E
    """,
    "patch the answers": """
        import meta.sandbox.candidate as c
        c.Candidate.answer = lambda *_: {"value": True, "changed": {}}
    """,
    "patch the errors": """
        import meta.sandbox.candidate as c
        c.Candidate.answer = lambda *_: {"error": 1}
    """,
    "impossible number": """
        import meta.sandbox.candidate as c
        c.encode = lambda *_: {"decimal": "x"}
        def f(x): pass
    """,
    "impossible kind": """
        import meta.sandbox.candidate as c
        c.encode = lambda *_: {"range": [1]}
        def f(x): pass
    """,
    "impossible handle": """
        import meta.sandbox.candidate as c
        c.encode = lambda *_: {"handle": {}}
        def f(x): pass
    """,
}


@pytest.mark.parametrize("code", CHEATS.values(), ids=CHEATS)
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
    assert suite(sandbox, swap, *tests).passed == 1  # handed over: the tests' own choice
    hidden = "def f(x, expected):\n    global g\n    g = expected = x"
    assert suite(sandbox, hidden, *tests).passed == 0


@pytest.mark.parametrize(
    ("source", "found"),
    [
        (("assert f(",), "SyntaxError"),
        (("import no_such_module", "assert f(1)"), "no_such_module"),
        (("assert f(lambda x: x) == 1",), "function cannot be handed"),
        (("try:\n    f(print)\nexcept Exception:\n    pass",), "cannot be handed"),
        ("x = 1", "no name of the code's"),
        ("x = f(1)", "no assertion"),
    ],
)
def test_tests_that_are_at_fault_are_no_result(
    sandbox: Sandbox, source: str | tuple[str, ...], found: str
) -> None:
    with pytest.raises(BrokenTestsError, match=found):
        sandbox.run_tests("def f(x): return 1", UnitTests(source))


def test_tests_are_confined_too(sandbox: Sandbox) -> None:
    tests = ("f(1)\nimport socket\nsocket.socket()", "f(open('/etc/passwd'))", "assert f(1)")
    assert suite(sandbox, "def f(x): return 1", *tests) == SuiteRun(1, 3, False)


def test_installed_packages_are_there_when_asked_for(sandbox: Sandbox) -> None:
    pytest.importorskip("numpy")
    code = "import numpy\ndef f(x): return float(numpy.mean(x))"
    assert suite(sandbox, code, "assert f([1, 2]) == 1.5").passed == 0
    roomy = Sandbox(Limits(memory=2048, packages=True))
    assert suite(roomy, code, "assert f([1, 2]) == 1.5").passed == 1
