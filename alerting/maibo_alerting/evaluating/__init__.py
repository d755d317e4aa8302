"""maibo's own alert evaluator: the ledger's counts in, alerts out, states that outlive a restart."""
