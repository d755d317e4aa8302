"""Deciding how many replicas a workload should have: from demand, forecasts and budgets, each wish explained."""
