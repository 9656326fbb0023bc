"""What crosses Weir's edges: messages, configuration, reason codes, metrics and ClickHouse tables."""
