"""What does a setting change? Experiments: conditions, runs, decision table, conclusions."""
