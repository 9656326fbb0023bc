"""Telemetry events and notifications from the decisions: a flow of its own, never an operator (spec 13, seed 001)."""
