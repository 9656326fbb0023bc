"""Kafka at the edges of a flow: sources, exactly-once sinks, progress, topics, and a local broker for tests."""
