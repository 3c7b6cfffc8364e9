"""Which operator evolves which parent: fixed shares, or a bandit on the operators' yields."""
