"""Decisions in ClickHouse: the connection, the schema's migrations, the writer and its sinks."""
