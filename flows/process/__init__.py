"""Processes: how a dataflow is started, watched, drained and restarted. No decision is made here."""
