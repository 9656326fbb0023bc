"""Names of strategy parameters in the older systems, by Weir's strategy type."""

from __future__ import annotations

from typing import Final

#: Older engine names.
ENGINES: Final = {"sma": "sma_cross", "grid": "grid_trading", "arbitrage": "cross_exchange_arbitrage"}

PARAMETERS: Final[dict[str, dict[str, str]]] = {
    "sma_cross": {
        "fast": "fast", "fast_ma": "fast", "fast_period": "fast", "fast_window": "fast", "short_window": "fast",
        "slow": "slow", "slow_ma": "slow", "slow_period": "slow", "slow_window": "slow", "long_window": "slow",
    },
    "daily_trend_momentum": {
        "fast_ma": "fast", "slow_ma": "slow", "breakout_lookback": "breakout", "momentum_window": "momentum",
        "atr_window": "atr", "atr_multiplier": "atr_multiple", "min_trend_strength": "min_trend",
        "min_momentum": "min_momentum",
    },
    "mean_reversion": {
        "lookback": "window", "entry_zscore": "entry", "exit_zscore": "exit", "max_holding_period": "max_bars",
        "volatility_cap": "volatility_cap",
    },
    "grid_trading": {"grid_size": "levels", "grid_spacing": "spacing"},
    "volatility_target": {
        "target_volatility": "target", "lookback": "window", "rebalance_threshold": "min_change",
        "min_allocation": "least", "max_allocation": "most", "floor_volatility": "floor",
    },
    "cross_exchange_arbitrage": {
        "spread_entry": "entry", "spread_exit": "exit", "max_notional": "max_notional",
        "max_open_seconds": "max_open_seconds",
    },
}  # fmt: skip


def parameter_names(strategy: str, own: frozenset[str]) -> dict[str, str]:
    """Every name under which a parameter of a strategy may be given, with Weir's; ``own`` are Weir's."""
    return {**{name: name for name in own}, **PARAMETERS.get(strategy, {})}
