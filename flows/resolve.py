"""Fills in what a configuration leaves to the dump: ``from_dump`` for instruments, cycle and market partitions.

What is filled in becomes part of the configuration, hence of ``config_hash``, as if a user had written it.
"""

from __future__ import annotations

from typing import Any

from flows.dump.layout import Dump
from flows.dump.manifest import Instrument as DumpInstrument
from flows.topics import SIDE_ROLES
from schemas.configuration import Configuration, ConfigurationError, parse_configuration
from schemas.configuration.base import NANOSECONDS, interval_nanoseconds


def resolve(configuration: Configuration, dump: Dump, source: str = "configuration") -> Configuration:
    """The configuration with every ``from_dump`` replaced by what ``dump`` says.

    Where the dump brings the instruments and all of them are quoted in one currency, a portfolio that names no base
    currency is kept in that one: without it every position would need a conversion price that the dump does not have.

    Raises:
        ConfigurationError: the dump does not say, or does not fit the configured topics; every fault at once.
    """
    problems: list[str] = []
    document = configuration.model_dump(mode="json")
    _fill_instruments(configuration, dump, document, problems)
    _fill_cycle(configuration, dump, document, problems)
    _fill_partitions(configuration, dump, document, problems)
    problems += _side_topic_problems(configuration, dump)
    if problems:
        raise ConfigurationError(f"{source} with dump {dump.folder}", problems)
    return parse_configuration(document, f"{source} with dump {dump.folder}")


def _fill_instruments(configuration: Configuration, dump: Dump, document: dict[str, Any], problems: list[str]) -> None:
    if configuration.instruments != "from_dump":
        return
    found = dump.instruments()
    if not found:
        problems.append("instruments: from_dump, but the dump has no instruments.json; list the instruments")
        return
    document["instruments"] = [_instrument(one) for one in found]
    currencies = {one.currency for one in found}
    if len(currencies) == 1 and "" not in currencies:
        for portfolio, written in zip(configuration.portfolios, document["portfolios"], strict=True):
            if "base_currency" not in portfolio.model_fields_set:
                written["base_currency"] = next(iter(currencies))


def _instrument(one: DumpInstrument) -> dict[str, Any]:
    return {
        "symbol": one.symbol,
        "tick": one.tick,
        "lot": one.lot,
        "interval": one.interval,
        "listed_from": one.listed_from,
        "participation": one.participation,
        "currency": one.currency,
        "venue": one.venue or "",
    }


def _fill_cycle(configuration: Configuration, dump: Dump, document: dict[str, Any], problems: list[str]) -> None:
    if configuration.time.cycle_seconds != "from_dump":
        return
    manifest = dump.manifest
    if manifest.cycle_seconds is not None:
        document["time"]["cycle_seconds"] = float(manifest.cycle_seconds)
    elif manifest.interval is not None:
        document["time"]["cycle_seconds"] = interval_nanoseconds(manifest.interval) / NANOSECONDS
    else:
        problems.append("time.cycle_seconds: from_dump, but the dump's manifest names no interval; give the seconds")


def _fill_partitions(configuration: Configuration, dump: Dump, document: dict[str, Any], problems: list[str]) -> None:
    market, found = configuration.topics.market, len(dump.partitions("market"))
    if not found:
        problems.append("topics.market: the dump has no market topic; a replay needs one")
        return
    if market.partitions == "from_dump":
        document["topics"]["market"]["partitions"] = found
    elif market.partitions != found:
        problems.append(f"topics.market.partitions: {market.partitions} configured, the dump has {found}")
    written_with = dump.manifest.partitioner
    if "partitioner" not in market.model_fields_set and written_with in ("murmur2", "consistent"):
        document["topics"]["market"]["partitioner"] = written_with


def _side_topic_problems(configuration: Configuration, dump: Dump) -> list[str]:
    problems: list[str] = []
    for role in SIDE_ROLES:
        topic, found = getattr(configuration.topics, role), len(dump.partitions(role))
        if topic is not None and topic.partitions != found:
            problems.append(
                f"topics.{role}: {topic.partitions} partition(s) configured, the dump has {found}: cycles would wait"
                f" for ever; set topics.{role} to what the dump has" + ("" if found else " (null)")
            )
    return problems


def unread_roles(configuration: Configuration, dump: Dump) -> list[str]:
    """Side topics that the dump has and the configuration does not read."""
    return [role for role in SIDE_ROLES if dump.partitions(role) and getattr(configuration.topics, role) is None]
