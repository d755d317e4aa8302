"""What panels ask ClickHouse: SQL, one module a subject, in the store's tables and the data source's macros."""
