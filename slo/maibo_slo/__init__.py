"""The hub of maibo: documents, store, ledger, budgets, the service and the command line."""
