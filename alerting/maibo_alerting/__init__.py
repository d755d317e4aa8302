"""Alert rules from the documents: `maibo generate rules`."""
