"""What a recovery folder knows: pods, positions, limits, suspensions, circuits, watermarks (issue 6; read-only).

It is read as it lies there, of a running cluster too: what it tells is that of the last stored epoch.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

from flows.process.snapshot_rows import describe, newest_rows, partition_files
from operators.frames import BEGINNING
from operators.portfolio.ledger import CASH, EQUITY, GROSS, NET, TRADING
from schemas.configuration.base import NANOSECONDS

_STATES: Final = ("ACTIVE", "REDUCING", "HALTED")


def read_state(folder: Path, now: Callable[[], float] = time.time) -> dict[str, Any]:
    """The state in a recovery folder as plain values.

    ``as_of`` is the latest decided cycle (ISO 8601), to which remaining times count; ``recovery_age_seconds`` is how
    long ago anything was stored. Raises InvalidInput where there is no recovery folder, SnapshotIncompatible where it
    cannot be read.
    """
    steps: dict[str, dict[str, dict[str, Any]]] = {}
    for row in newest_rows(folder):
        steps.setdefault(row.step.partition(".")[2], {})[row.key] = row.state
    groups, pods, portfolios = (_numbered(steps, name) for name in ("group", "pod", "portfolio"))
    ids = [key.partition("-")[2] for key, _ in sorted(steps.get("portfolio", {}).items(), key=_number)]
    shown = [_portfolio(name, saved) for name, saved in zip(ids, portfolios, strict=True)]
    names = [(portfolio["id"], pod) for portfolio in shown for pod in portfolio["pods"]]
    as_of = max((p["cycle"] for p in portfolios), default=BEGINNING)
    suspensions = {(s["scope"], s["name"]): s for pod in pods for s in _suspensions(pod, as_of)}
    limits = {(one["strategy"], one["risk_profile"]): one for pod in pods for one in _limits(pod, as_of)}
    newest = max(file.stat().st_mtime for file in partition_files(folder))
    return {
        "as_of": _iso(as_of),
        "recovery_age_seconds": round(max(0.0, now() - newest), 1),
        "marker": describe(folder).marker,
        "portfolios": {one["id"]: one for one in shown},
        "pods": [_pod(pod, *name) for pod, name in zip(pods, names, strict=True)],
        "suspensions": [suspensions[key] for key in sorted(suspensions)],
        "signal_limits": [limits[key] for key in sorted(limits)],
        "circuit_breakers": [c for step in (*groups, *_strategies(pods)) for c in _circuits(step, as_of)],
        "watermarks": _watermarks(steps, groups),
    }


def _number(row: tuple[str, dict[str, Any]]) -> int:
    return int(row[1]["number"])


def _numbered(steps: dict[str, dict[str, dict[str, Any]]], stage: str) -> list[dict[str, Any]]:
    """The steps' own snapshots of one stage, by number."""
    return [state["step"] for _, state in sorted(steps.get(stage, {}).items(), key=_number)]


def _strategies(pods: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The snapshots of pods that evaluate strategies themselves."""
    return [pod["strategies"] for pod in pods if pod["strategies"] is not None]


def _portfolio(name: str, saved: dict[str, Any]) -> dict[str, Any]:
    ledger, control = saved["ledger"], saved["control"]
    held = {
        symbol: round(float(ledger["attributed"][:, n].sum()), 9)
        for n, symbol in enumerate(saved["symbols"])
        if ledger["position"][n] or ledger["pending"][n]
    }
    standing, scalars = control["standing"], ledger["scalars"]
    return {
        "id": name,
        "cycle": _iso(saved["cycle"]),
        "trading_state": _STATES[int(ledger["state"][TRADING])],
        "equity": float(scalars[EQUITY]),
        "cash": float(scalars[CASH]),
        "gross_exposure": float(scalars[GROSS]),
        "net_exposure": float(scalars[NET]),
        "positions": held,
        "pods": list(saved["pods"]),
        "fractions": dict(zip(saved["pods"], np.round(ledger["fraction"], 9).tolist(), strict=True)),
        "lifecycle": dict(zip(saved["pods"], saved["lifecycles"]["states"], strict=True)),
        "kill_switches": [
            {"scope": scope, "name": name, "mode": mode} for (scope, name), mode in sorted(control["switches"].items())
        ],
        "limits": standing["limits"],
        "restricted": sorted(standing["restricted"]),
        "retired": sorted(standing["retired"]),
        "pending_configuration": None if standing["pending"] is None else standing["pending"]["config_hash"],
    }


def _pod(saved: dict[str, Any], portfolio: str, pod: str) -> dict[str, Any]:
    return {
        "portfolio": portfolio,
        "pod": pod,
        "cycle": _iso(saved["cycle"]),
        "schedules": [name for name, _, _ in saved["schedules"]],
    }


def _suspensions(pod: dict[str, Any], now: int) -> list[dict[str, Any]]:
    held = pod["holds"]["suspensions"]
    return [{"scope": k[0], "name": k[1], **_time(hold, now)} for k, hold in held.items()]


def _limits(pod: dict[str, Any], now: int) -> list[dict[str, Any]]:
    held = pod["holds"]["limits"]
    return [{"strategy": k[0], "risk_profile": k[1], "limit": hold[3], **_time(hold, now)} for k, hold in held.items()]


def _time(hold: tuple[Any, ...], now: int) -> dict[str, Any]:
    until, _, reason, _ = hold
    remaining = None if until is None else round(max(0, until - now) / NANOSECONDS, 3)
    return {"reason": reason, "expires_at": None if until is None else _iso(until), "remaining_seconds": remaining}


def _circuits(saved: dict[str, Any], now: int) -> list[dict[str, Any]]:
    """Schedules whose circuit breaker is open or half-open, or that count errors."""
    found: list[dict[str, Any]] = []
    for schedule, state in sorted(saved["strategies"]["schedules"].items()):
        errors, until = int(state["errors"]), int(state["open_until"])
        if errors or until != BEGINNING:
            kind = "closed" if until == BEGINNING else "open" if now < until else "half-open"
            shown = None if until == BEGINNING else _iso(until)
            found.append({"schedule": schedule, "state": kind, "errors": errors, "open_until": shown})
    return found


def _watermarks(
    steps: dict[str, dict[str, dict[str, Any]]], groups: list[dict[str, Any]]
) -> dict[str, str | None]:  # fmt: skip
    """Up to where each input partition has passed."""
    found: dict[str, str | None] = {}
    for stage, rows in sorted(steps.items()):
        if stage.endswith("_side"):
            found |= {key: _iso(state["step"]["passed"]) for key, state in sorted(rows.items())}
    for number, group in enumerate(groups):
        found[f"market-{number:05d}"] = _iso(group["clock"]["latest"])
    return found


def _iso(moment: int | None) -> str | None:
    return None if moment is None or moment <= BEGINNING else f"{np.datetime64(int(moment), 'ns')}Z"


def state_lines(state: dict[str, Any]) -> list[str]:
    """The state for people."""
    lines = [f"as of {state['as_of']}, stored {state['recovery_age_seconds']:g} s ago"]
    lines += [f"{name}: {value}" for name, value in state["marker"].items()]
    for name, one in state["portfolios"].items():
        lines.append(f"portfolio {name}: {one['trading_state']}, equity {one['equity']:,.2f}, cash {one['cash']:,.2f}")
        lines += [f"  holds {symbol}: {units:g}" for symbol, units in one["positions"].items()]
        lines += [f"  pod {p}: {share:.4f} of capital, {one['lifecycle'][p]}" for p, share in one["fractions"].items()]
        lines += [f"  kill {k['scope']} {k['name']}: {k['mode']}" for k in one["kill_switches"]]
        lines += [f"  limit {limit}: {value}" for limit, value in one["limits"].items()]
        lines += [f"  restricted: {', '.join(one['restricted'])}"] if one["restricted"] else []
        pending = one["pending_configuration"]
        lines += [f"  configuration for the next start: {pending}"] if pending else []
    lines += [f"suspended {s['scope']} {s['name']}: {_remaining(s)}" for s in state["suspensions"]]
    lines += [
        f"limit {s['strategy']}:{s['risk_profile']}={s['limit']}: {_remaining(s)}" for s in state["signal_limits"]
    ]
    lines += [f"circuit {c['schedule']}: {c['state']}, {c['errors']} error(s)" for c in state["circuit_breakers"]]
    return lines + [f"watermark {name}: {passed}" for name, passed in state["watermarks"].items()]


def _remaining(one: dict[str, Any]) -> str:
    seconds = one["remaining_seconds"]
    return "until lifted" if seconds is None else f"until {one['expires_at']}, {seconds:g} s remain"
