"""A simulator of autoscaling: demand replayed through the HPA, KEDA, schedules, an oracle and maibo's own engine."""
