"""Claims about programs in the sandbox: real processes, and what they must not be able to do."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from meta.sandbox.limits import Limits
from meta.sandbox.names import BrokenTestsError
from meta.sandbox.nursery import _ended, _leaving
from meta.sandbox.process import SandboxError
from meta.sandbox.sandbox import ProgramRun, Sandbox
from meta.sandbox.suite import UnitTests
from selfplay.core.errors import ResourceError

SOON = 20.0
"""Seconds that a busy machine may take beyond a limit; who is not stopped takes a minute."""
LIMITS = Limits(seconds=1, wall_seconds=4, memory=256, output=64, disk=2, threads=8)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    try:
        yield Sandbox(LIMITS)
    except ResourceError as error:
        pytest.skip(f"no sandbox on this machine: {error}")


def run(sandbox: Sandbox, code: str, stdin: str = "") -> ProgramRun:
    return sandbox.run_program(textwrap.dedent(code), stdin)


def attempt(sandbox: Sandbox, statement: str, imports: str = "os, socket, pathlib") -> str:
    """The name of the exception that a statement ends with; `done` if it succeeds."""
    code = (
        f"import {imports}\ntry:\n    {statement}\n    print('done')\n"
        "except BaseException as error:\n    print(type(error).__name__)\n"
    )
    return sandbox.run_program(code).output.strip()


def test_a_program_reads_its_input_and_its_output_is_kept(sandbox: Sandbox) -> None:
    found = run(sandbox, "print(sum(map(int, input().split())), 'é')", "2 3\n")
    assert found == ProgramRun("5 é\n", 0, timeout=False)


def test_a_program_is_run_as_main_and_ends_as_programs_do(sandbox: Sandbox) -> None:
    code = """
        import atexit, threading, time
        atexit.register(print, "bye")
        if __name__ == "__main__":
            threading.Thread(target=lambda: (time.sleep(0.05), print("thread"))).start()
            print("main", end=" ")
    """
    assert run(sandbox, code).output == "main thread\nbye\n"


@pytest.mark.parametrize(
    ("code", "exit_code"),
    [("import sys; sys.exit(3)", 3), ("1/0", 1), ("raise SystemExit", 0), ("exit('no')", 1)],
)
def test_the_exit_code_is_the_programs(sandbox: Sandbox, code: str, exit_code: int) -> None:
    program = "from sys import exit\n" + code
    assert run(sandbox, program).exit_code == exit_code


def test_much_of_the_standard_library_works(sandbox: Sandbox) -> None:
    code = """
        import array, asyncio, bisect, collections, copy, csv, datetime, decimal, fractions, hashlib
        import heapq, io, itertools, json, math, operator, random, re, sqlite3, statistics, string
        import tempfile, threading, time, zoneinfo, concurrent.futures
        async def one():
            await asyncio.sleep(0.001)
            return 1
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            total = sum(pool.map(abs, [-1, -2]))
        with tempfile.NamedTemporaryFile("w+") as file:
            file.write("kept")
            file.seek(0)
            print(file.read(), asyncio.run(one()), total, hashlib.sha256(b"").hexdigest()[:4])
    """
    assert run(sandbox, code).output == "kept 1 3 e3b0\n"


@pytest.mark.parametrize(
    "statement",
    [
        "socket.socket()",
        "socket.socket(socket.AF_UNIX)",
        "socket.create_connection(('127.0.0.1', {port}), timeout=1)",
        "socket.getaddrinfo('localhost', 80) and socket.create_server(('', 0))",
        "a, b = socket.socketpair(); a.connect('/tmp/x')",
        "a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM); a.sendto(b'x', '\\0x')",
    ],
)
def test_there_is_no_network(sandbox: Sandbox, statement: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        statement = statement.replace("{port}", str(server.getsockname()[1]))
        assert attempt(sandbox, statement) in ("PermissionError", "OSError", "gaierror")


@pytest.mark.parametrize(
    "statement",
    [
        "os.fork()",
        "os.posix_spawn('/bin/true', ['true'], {})",
        "os.execv('/bin/true', ['true'])",
        "subprocess.run(['/bin/true'])",
        "multiprocessing.get_context('fork').Process(target=print).start()",
    ],
)
def test_there_are_no_other_processes(sandbox: Sandbox, statement: str) -> None:
    refused = ("PermissionError", "OSError", "BlockingIOError")
    assert attempt(sandbox, statement, "os, subprocess, multiprocessing") in refused


def test_a_fork_bomb_makes_nothing_and_is_over_soon(sandbox: Sandbox) -> None:
    before = processes()
    assert before  # the nursery itself
    began = time.monotonic()
    found = run(
        sandbox,
        """
        import os
        while True:
            try:
                os.fork()
            except OSError:
                pass
        """,
    )
    assert found.timeout
    assert time.monotonic() - began < LIMITS.wall_seconds + SOON
    assert processes() <= before


def processes() -> int:
    """Sandboxed processes of this one and such as nobody owns; another worker's are not counted."""
    found = 0
    for status in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            sandboxed = b"meta.sandbox.nursery" in status.read_bytes()
            line = ancestors(int(status.parent.name)) if sandboxed else []
        except OSError:
            continue
        found += sandboxed and (os.getpid() in line or os.getppid() not in line)
    return found


def ancestors(pid: int) -> list[int]:
    """Process ids of parent, grandparent and so on."""
    found = []
    while pid > 1:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2]
        pid = int(after_name.split()[1])
        found.append(pid)
    return found


def test_threads_are_bounded(sandbox: Sandbox) -> None:
    code = """
        import threading
        threading.stack_size(1 << 20)
        event, made = threading.Event(), 0
        to_print_with = bytearray(8 << 20)
        try:
            for _ in range(100_000):
                threading.Thread(target=event.wait, daemon=True).start()
                made += 1
        except (RuntimeError, MemoryError):
            del to_print_with
            print(made < 1_000)
    """
    assert run(sandbox, code).output == "True\n"


@pytest.mark.parametrize(
    "statement", ["x = 'a' * 10**9", "x = [0] * 10**9", "x = list(range(10**8))"]
)
def test_a_memory_bomb_does_not_get_its_memory(sandbox: Sandbox, statement: str) -> None:
    assert attempt(sandbox, statement) == "MemoryError"


@pytest.mark.parametrize(
    "statement",
    [
        "open({path!r}, 'w')",
        "open({path!r}, 'a')",
        "os.open({path!r}, os.O_RDWR)",
        "os.truncate({path!r}, 0)",
        "os.remove({path!r})",
        "os.rename({path!r}, {path!r} + '2')",
        "os.chmod({path!r}, 0)",
        "os.utime({path!r})",
        "os.chown({path!r}, 1, 1)",
        "os.setxattr({path!r}, 'user.x', b'1')",
        "os.link({path!r}, 'mine')",
        "os.symlink({path!r}, 'mine')",
        "os.mkdir({path!r} + '.folder')",
        "open({path!r} + '.new', 'x')",
        "open('/dev/shm/sandbox-was-here', 'w')",
        "open(os.path.join(os.getcwd(), '..', 'sandbox-was-here'), 'w')",
        "open({path!r})",
        "os.listdir(os.path.dirname({path!r}))",
        "open('/etc/passwd')",
        "open('/proc/self/mem', 'r+b')",
        "open(f'/proc/{os.getppid()}/environ')",
        "open('/dev/tty')",
        "os.memfd_create('x')",
    ],
)
def test_nothing_outside_its_folder_is_written_or_read(
    sandbox: Sandbox, tmp_path: Path, statement: str
) -> None:
    file = tmp_path / "kept.txt"
    file.write_text("kept", encoding="utf-8")
    before = file.stat()
    assert attempt(sandbox, statement.replace("{path!r}", repr(str(file)))) in (
        "PermissionError",
        "OSError",
    )
    assert sorted(tmp_path.iterdir()) == [file]
    assert file.read_text(encoding="utf-8") == "kept"
    assert file.stat().st_mtime_ns == before.st_mtime_ns
    assert file.stat().st_mode == before.st_mode


def test_its_folder_is_fresh_writable_and_gone_afterwards(sandbox: Sandbox) -> None:
    code = """
        import os, pathlib
        print(os.listdir())
        pathlib.Path("a").write_text("x")
        os.rename("a", "b")
        print(os.listdir(), os.environ["HOME"] == os.environ["TMPDIR"] == os.getcwd())
        os.remove("b")
        pathlib.Path("left").write_text("x")
        print(os.getcwd())
    """
    empty, listed, folder = run(sandbox, code).output.splitlines()
    assert (empty, listed) == ("[]", "['b'] True")
    assert not Path(folder).exists()


def test_the_environment_holds_no_secrets(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("API_KEY", "hidden-key")
    found = run(Sandbox(LIMITS), "import os; print(sorted(os.environ))").output
    assert "HOME" in found
    assert "API_KEY" not in found
    read = "print(open('/proc/self/environ').read(), open(f'/proc/{os.getppid()}/environ').read())"
    assert attempt(sandbox, read) == "PermissionError"


def test_an_endless_loop_runs_out_of_processor_time(sandbox: Sandbox) -> None:
    found = run(sandbox, "while True: pass")
    assert found.timeout
    assert found.exit_code == -signal.SIGXCPU


def test_who_ignores_the_signal_is_killed(sandbox: Sandbox) -> None:
    code = "import signal\nsignal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass"
    assert run(sandbox, code).exit_code == -signal.SIGKILL


def test_sleeping_runs_out_of_wall_clock_time(sandbox: Sandbox) -> None:
    began = time.monotonic()
    found = Sandbox(Limits(seconds=1, wall_seconds=1)).run_program("import time; time.sleep(60)")
    assert found.timeout
    assert time.monotonic() - began < SOON


def test_closing_every_descriptor_hides_nothing(sandbox: Sandbox) -> None:
    found = run(sandbox, "import os, time\nos.closerange(0, 100)\ntime.sleep(60)")
    assert found.exit_code == -signal.SIGKILL


def test_huge_output_ends_the_program_and_is_not_kept(sandbox: Sandbox) -> None:
    found = run(sandbox, "while True: print('x' * 10_000)")
    assert found.over == "output"
    assert len(found.output) < 2 * (LIMITS.output << 10) + (1 << 16)


def test_talking_on_the_status_pipe_holds_nobody_up() -> None:
    code = """
        import os
        while True:
            for descriptor in range(3, 10):
                try:
                    os.write(descriptor, b"ready" * 1000)
                except OSError:
                    pass
    """
    assert run(Sandbox(Limits(seconds=1, wall_seconds=1)), code).timeout


def test_a_file_has_a_largest_size(sandbox: Sandbox) -> None:
    statement = "open('big', 'wb').write(b'x' * (3 << 20))"
    assert attempt(sandbox, statement) in ("OSError", "")


HELD = """
        import mmap, os
        held, maps = 0, []
        try:
            for i in range(4000):
                file = os.open({name}, os.O_CREAT | os.O_RDWR)
                {write}
                held += 1 << 18
                {then}
        except OSError:
            pass
        print(held)
    """


@pytest.mark.parametrize(
    "write", ["os.posix_fallocate(file, 0, 1 << 18)", "os.write(file, bytes(1 << 18))"]
)
@pytest.mark.parametrize(
    ("name", "then"),
    [
        ("'same'", "os.unlink('same')"),
        ("str(i)", "os.close(file)"),
        ("'same'", "maps.append(mmap.mmap(file, 1)); os.unlink('same'); os.close(file)"),
    ],
    ids=["unlinked and open", "many", "unlinked and mapped"],
)
def test_a_program_holds_no_more_than_its_limit_on_a_disk(
    sandbox: Sandbox, name: str, then: str, write: str
) -> None:
    code = HELD.format(name=name, then=then, write=write)
    assert int(run(sandbox, code).output) <= LIMITS.disk << 20


def test_files_are_counted(sandbox: Sandbox) -> None:
    code = """
        made = 0
        try:
            while True:
                open(str(made), "x").close()
                made += 1
        except OSError:
            print(made)
    """
    assert 100 < int(run(sandbox, code).output) <= 1000


@pytest.mark.parametrize(
    "before",
    [
        "import meta.sandbox.confine as c; c.own_namespaces = bool",
        "import meta.sandbox.kernel as k; k._LIBC.unshare = lambda flags: -1",
        "import meta.sandbox.kernel as k; k.Path = lambda *_: open('/proc/version', 'w')",
    ],
    ids=["none", "not permitted", "permitted without an identity"],
)
def test_without_namespaces_nothing_is_written_for_nothing_bounds_it(
    before: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    start_with(monkeypatch, tmp_path, before)
    plain = Sandbox(LIMITS)
    assert attempt(plain, "open('file', 'w')") == "PermissionError"
    assert run(plain, "print(1)").output == "1\n"


@pytest.mark.parametrize(
    "flags", ["os.O_CREAT | os.O_WRONLY", "os.O_CREAT | os.O_RDWR | os.O_EXCL"]
)
@pytest.mark.parametrize("mode", ["0o4755", "0o2755", "0o6777"])
def test_no_file_runs_with_its_owners_rights(sandbox: Sandbox, flags: str, mode: str) -> None:
    assert attempt(sandbox, f"os.open('file', {flags}, {mode})") == "PermissionError"


@pytest.mark.parametrize(("tests", "place"), [("", 0), ("assert f(1)", 0), ("assert f(1)", 1)])
def test_a_process_that_is_killed_from_outside_is_no_result(
    sandbox: Sandbox, tests: str, place: int
) -> None:
    """As a kernel that is short of memory does: to a program, to code under test, to its tests."""
    nursery = sandbox._nursery._process.pid
    children = Path(f"/proc/{nursery}/task/{nursery}/children")
    if not children.exists():
        pytest.skip("this kernel does not list children")

    def kill() -> None:
        while len(found := children.read_text().split()) <= place or not confined(found[place]):
            time.sleep(0.01)
        os.kill(int(found[place]), signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    code = "import time\ntime.sleep(3)\ndef f(x): return x"
    with pytest.raises(SandboxError, match=r"killed from outside|did not start: exit code -9"):
        sandbox.run_tests(code, UnitTests(tests)) if tests else sandbox.run_program(code)
    killer.join()


def test_a_process_that_is_being_taken_apart_is_not_said_to_have_been_killed_by_us() -> None:
    """The kernel closes what a process holds before it can be reaped."""
    for _ in range(100):
        read, write = os.pipe()
        process = os.fork()
        if not process:
            signal.pause()
        os.close(write)
        os.kill(process, signal.SIGKILL)
        assert os.read(read, 1) == b""
        os.close(read)
        ending = _ended(process)
        assert (ending.exit_code, ending.ours) == (-signal.SIGKILL, False)


def test_a_process_that_runs_is_killed_at_once() -> None:
    process = os.fork()
    if not process:
        signal.pause()
    assert not _leaving(process)
    assert _ended(process).ours


def confined(process: str) -> bool:
    try:
        return "Seccomp:\t2" in Path(f"/proc/{process}/status").read_text()
    except OSError:
        return False


@pytest.mark.parametrize(
    "statement",
    [
        "signal.raise_signal(signal.SIGKILL)",
        "signal.pthread_kill(threading.get_ident(), 9)",
        "resource.setrlimit(resource.RLIMIT_CPU, (0, 0))",
        "resource.prlimit(0, resource.RLIMIT_CPU, (1, 1))",
        "resource.prlimit(os.getpid(), resource.RLIMIT_CPU, (1, 1))",
    ],
)
def test_a_program_cannot_end_as_if_it_had_been_killed_from_outside(
    sandbox: Sandbox, statement: str
) -> None:
    refused = ("PermissionError", "OSError", "ValueError")
    assert attempt(sandbox, statement, "os, resource, signal, threading") in refused
    code = "import resource\nprint(resource.getrlimit(resource.RLIMIT_CPU)[0])"
    assert run(sandbox, code).output == f"{LIMITS.seconds}\n"


@pytest.mark.parametrize(
    "statement",
    [
        "os.kill(os.getppid(), 9)",
        "os.kill({judge}, 9)",
        "os.kill(-1, 9)",
        "os.killpg(0, 9)",
        "resource.prlimit({judge}, resource.RLIMIT_CPU, (0, 0))",
        "resource.setrlimit(resource.RLIMIT_AS, (-1, -1))",
        "fcntl.fcntl(0, fcntl.F_SETOWN, {judge})",
        "fcntl.ioctl(1, 0x8901, {judge})",
        "os.setsid()",
        "os.setpriority(os.PRIO_PROCESS, 0, -5)",
        "ctypes.CDLL(None).ptrace(16, {judge}, 0, 0) and (_ for _ in ()).throw(OSError())",
    ],
)
def test_other_processes_cannot_be_touched(sandbox: Sandbox, statement: str) -> None:
    statement = statement.replace("{judge}", str(os.getpid()))
    refused = ("PermissionError", "OSError", "ValueError")
    assert attempt(sandbox, statement, "os, resource, fcntl, ctypes") in refused
    assert run(sandbox, "print(1)").output == "1\n"


def test_nothing_is_shared_between_runs(sandbox: Sandbox) -> None:
    run(sandbox, "import builtins, math\nbuiltins.print = None\nmath.pi = 3")
    assert run(sandbox, "import math\nprint(math.pi > 3)").output == "True\n"


def test_draws_and_the_order_of_sets_repeat(sandbox: Sandbox) -> None:
    code = "import random\nprint(random.random(), {'a', 'b', 'c', 'd'})"
    assert run(sandbox, code) == run(Sandbox(LIMITS), code)


def test_many_threads_may_use_one_sandbox(sandbox: Sandbox) -> None:
    found: dict[int, str] = {}

    def work(i: int) -> None:
        for _ in range(5):
            found[i] = run(sandbox, "print(input())", str(i)).output.strip()

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {i: str(i) for i in range(4)}


def test_descriptors_and_folders_do_not_pile_up(sandbox: Sandbox) -> None:
    run(sandbox, "")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for code in ("print(1)", "import os; os._exit(0)", "while True: print('x' * 9999)"):
        run(sandbox, code)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_lost_parent_process_is_started_again(sandbox: Sandbox) -> None:
    own = Sandbox(LIMITS)
    os.kill(own._nursery._process.pid, signal.SIGKILL)
    own._nursery._process.wait()
    assert run(own, "print(1)").output == "1\n"


def test_when_the_judge_is_killed_everything_ends(tmp_path: Path) -> None:
    program = textwrap.dedent(
        """
        import sys, tempfile
        from meta.sandbox.limits import Limits
        from meta.sandbox.sandbox import Sandbox
        sandbox = Sandbox(Limits(wall_seconds=60))
        print("started", sandbox._nursery._process.pid, flush=True)
        tempfile.tempdir = sys.argv[1]
        sandbox.run_program("import time; time.sleep(60)")
        """
    )
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=root
    ) as judge:
        assert judge.stdout is not None
        nursery = int(judge.stdout.readline().split()[1])
        while not list(tmp_path.iterdir()):
            time.sleep(0.02)
        time.sleep(0.1)
        children = Path(f"/proc/{nursery}/task/{nursery}/children")
        pids = [nursery, *map(int, children.read_text().split())] if children.exists() else []
        judge.kill()
    deadline = time.monotonic() + 5
    while any(alive(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert [pid for pid in pids if alive(pid)] == []
    assert list(tmp_path.iterdir()) == []


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def start_with(monkeypatch: pytest.MonkeyPatch, folder: Path, before: str) -> None:
    """Has the sandbox's parent processes begin with these statements."""
    start = folder / "start.py"
    root = Path(__file__).resolve().parents[2]
    start.write_text(
        f"import sys; sys.path.insert(0, {str(root)!r})\n{before}\n"
        "import meta.sandbox.nursery\nmeta.sandbox.nursery.main()\n",
        encoding="utf-8",
    )
    monkeypatch.setattr("meta.sandbox.process._START", f"exec(open({str(start)!r}).read())")


@pytest.mark.parametrize("banned", ["restrict_calls", "restrict_files"])
def test_it_refuses_where_a_ban_is_not_enforced(
    banned: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = f"import meta.sandbox.confine as confine\nconfine.{banned} = lambda *_: None\n"
    start_with(monkeypatch, tmp_path, broken)
    with pytest.raises(ResourceError, match="was not refused"):
        Sandbox(LIMITS)


def test_it_refuses_where_the_kernel_has_no_landlock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("meta.sandbox.sandbox.landlock_version", lambda: 0)
    with pytest.raises(ResourceError, match="no Landlock"):
        Sandbox(LIMITS)


@pytest.mark.parametrize("tests", ["assert (", "import nothing_like_it\nassert double(1)"])
def test_broken_tests_are_blamed_even_where_the_code_was_slow_to_start(
    tests: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    slow = (
        "import time, meta.sandbox.nursery as nursery\n"
        "become = nursery._become\n"
        "def late(order, *rest):\n"
        "    time.sleep(order['role'] == 'candidate' and 2)\n"
        "    become(order, *rest)\n"
        "nursery._become = late\n"
    )
    start_with(monkeypatch, tmp_path, slow)
    with pytest.raises(BrokenTestsError):
        Sandbox(LIMITS).run_tests("double = abs", UnitTests(tests))
