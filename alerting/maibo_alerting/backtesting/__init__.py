"""`maibo slo backtest`: what the evaluator makes of what happened."""
