"""What demand will be: quantiles, kept only where they beat persistence."""
