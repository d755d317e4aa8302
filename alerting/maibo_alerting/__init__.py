"""Alert rules, generated from the documents."""
