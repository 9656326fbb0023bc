"""Feeds the job live: ``python -m benchmarks.live_feed SERVERS MARKET CONTROL BARS_A_SECOND SECONDS OUT``.

A cycle of 100 bars goes out at its time; event time runs as fast as that takes. Its ClockTick goes to the control topic
first, so that the cycle waits for no side topic. ``OUT`` gets a line for each cycle: its event time, and the monotonic
time (ns) at which its last bar was handed to the client, which sends at once.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from confluent_kafka import Producer

from benchmarks.job import SYMBOLS, cycles
from flows.dump.importer import clock_tick


def feed(servers: str, market: str, control: str, rate: float, seconds: float) -> list[tuple[int, int]]:
    """(event time, monotonic ns) of each cycle; the pace does not wait for a slow broker."""
    producer = Producer({"bootstrap.servers": servers, "linger.ms": 0, "acks": "1"})
    period = SYMBOLS / rate
    # Made before the clock runs: the feed shares the machine with what it measures.
    made = [(ts, bars) for ts, bars in cycles(int(seconds / period))]
    sent: list[tuple[int, int]] = []
    begin = time.monotonic()
    for number, (ts, bars) in enumerate(made):
        while (left := begin + number * period - time.monotonic()) > 0:
            producer.poll(min(left, 0.001))
        if control:
            producer.produce(control, clock_tick(ts), partition=0, timestamp=ts // 1_000_000)
        for bar in bars:
            producer.produce(market, bar, partition=0, timestamp=ts // 1_000_000)
        sent.append((ts, time.monotonic_ns()))
        producer.poll(0)
    if producer.flush(60):
        raise RuntimeError("the broker did not take the bars within 60 s")
    return sent


def main() -> None:
    """Feeds, then writes what was sent when."""
    servers, market, control, rate, seconds, out = sys.argv[1:]
    sent = feed(servers, market, control, float(rate), float(seconds))
    Path(out).write_text("".join(f"{ts} {at}\n" for ts, at in sent))


if __name__ == "__main__":
    main()
