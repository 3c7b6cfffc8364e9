"""Runs Python code that nobody vouches for: a policy's answers, and the tests that judge them.

What could go wrong is an answer that was optimised against its reward: it looks for a way to pass
without solving the task, or takes the machine's memory by accident. What holds, and by what:

- *no network, no other processes*: a seccomp filter that lists the system calls a program needs
  (`seccomp.py`). Sockets, `fork`, `exec` and signals to other processes are not among them, so
  there are neither fork bombs nor grandchildren to look for. Where the kernel lets an ordinary user
  have namespaces, the process is in network, IPC and user namespaces of its own besides.
- *no writes outside its folder, no reading of what is not Python's*: Landlock (`landlock.py`). The
  folder is fresh, flat, and gone afterwards.
- *memory, processor time, file size, open files*: resource limits. *Wall-clock time, output*: the
  parent watches, and kills. *Space on disk*: the folder is a file system in memory of that size,
  and where there are no namespaces to mount it in, it cannot be written to.
- *no secrets*: environment variables are made anew, standard input is empty or the test's, and
  nothing of the game is in the memory of the process that is forked.
- *no tampering with the verdict*: tests and the code under test run in two such processes, between
  which only plain data goes (`data.py`); the code never holds the tests or the channel of results.

Linux on x86-64 or AArch64 with seccomp and Landlock (5.13 or later) is needed, no privileges are,
and containers commonly allow both. Elsewhere the sandbox refuses to run. Left out: a defence
against faults of the kernel itself, for which take a virtual machine, and a bound on the resident
memory of all runs together, which is `workers` times `memory`.

`sandbox.py` is what judges call, `process.py` starts and watches; `nursery.py` forks the processes,
in which `confine.py` locks up and `candidate.py` or `tester.py` does its part. Tests are parsed by
`suite.py`, `names.py` says which of their names are the code's, and `under_test.py` and `remote.py`
are what they see of it. What runs inside imports the standard library, NumPy where packages are
asked for, and `selfplay.core.errors` alone.
"""
