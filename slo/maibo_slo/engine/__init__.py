"""The engine: counts of the cells into the ledger, counts of the ledger into budgets and burn rates."""
