"""The ClickHouse schema: numbered migrations and what reads them."""
