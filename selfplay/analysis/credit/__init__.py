"""Which prompt families and operators a run's held-out gain is owed to, by replaying its learning.

The run's ledger has all that was learned from, and learning is a function of (policy state, groups,
seed). So its rounds can be learned again, from the initial policy, with a second look at each
(`influence`) or with some of the groups left out (`leave_out`). Nothing is written to the run.
"""
