"""Reads an older document, tells which system's it is, and writes Weir's."""

from __future__ import annotations

from pathlib import Path

from flows.migrate.migration import Migration, read_source
from flows.migrate.multi_strategy import migrate_schedulers
from flows.migrate.strategy_graph import migrate_graph
from schemas.configuration import ConfigurationError, parse_configuration

_NEITHER = (
    "is neither a strategy graph (a list under `strategies`) nor a core configuration (`multi_strategy_schedulers`)"
)


def migrate(path: Path) -> Migration:
    """The migration of a seed 001 strategy graph or a seed 004 core configuration (YAML or JSON).

    Raises:
        ConfigurationError: the file is neither, or what came out is no valid configuration.
    """
    source, notes = read_source(path)
    migration = Migration(document={}, unmapped=notes)
    if isinstance(source.get("strategies"), list):
        migrate_graph(source, migration)
    elif "multi_strategy_schedulers" in source or "multi_strategy_schedulers" in (source.get("runtime") or {}):
        migrate_schedulers(source, migration)
    else:
        raise ConfigurationError(str(path), [_NEITHER])
    parse_configuration(migration.document, f"{path}, migrated")
    return migration
