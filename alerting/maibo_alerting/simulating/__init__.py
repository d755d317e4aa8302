"""`maibo alert simulate`: what the evaluator makes of made-up traffic, on a clock that is made up too."""
