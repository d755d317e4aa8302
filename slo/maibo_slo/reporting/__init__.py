"""What became of objectives over a period, and who spent their budgets: figures from the ledger and from cells, and their spellings."""
