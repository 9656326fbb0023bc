"""The configuration document: one YAML file, validated whole before anything starts."""

from schemas.configuration.document import Configuration
from schemas.configuration.load import ConfigurationError, config_hash, load_configuration, parse_configuration

__all__ = ["Configuration", "ConfigurationError", "config_hash", "load_configuration", "parse_configuration"]
