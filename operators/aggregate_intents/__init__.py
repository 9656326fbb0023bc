"""aggregate-intents: the schedules of a pod net to one target per symbol (spec 4)."""
