"""When a run ends before its last round: budgets, stop conditions, and the stage that decides."""
