"""Feeds the job live: ``python -m benchmarks.live_feed SERVERS MARKET CONTROL BARS_A_SECOND FIRST END OUT``.

Cycles ``FIRST`` to ``END`` - 1 go out, 100 bars each at its time; event time runs as fast as that takes. A cycle's
ClockTick goes to the control topic first, so that the cycle waits for no side topic. ``OUT`` gets a line for each
cycle: its event time, and the monotonic time (ns) at which its last bar was handed to the client, which sends at once.
"""

from __future__ import annotations

import sys
import time
from itertools import islice
from pathlib import Path

from confluent_kafka import Producer

from benchmarks.job import SYMBOLS, cycles
from flows.dump.importer import clock_tick


class Feed:
    """A producer that sends at once."""

    def __init__(self, servers: str) -> None:
        self.producer = Producer({"bootstrap.servers": servers, "linger.ms": 0, "acks": "1"})

    def send(self, topic: str, value: bytes, ts: int) -> None:
        """Hands a record to the client; waits while a broker that does not keep up has filled its queue."""
        while True:
            try:
                self.producer.produce(topic, value, partition=0, timestamp=ts // 1_000_000)
                return
            except BufferError:
                self.producer.poll(0.01)

    def run(self, market: str, control: str, rate: float, first: int, end: int) -> list[tuple[int, int]]:
        """(event time, monotonic ns) of each cycle."""
        period = SYMBOLS / rate
        # Made before the clock runs: the feed shares the machine with what it measures.
        made = list(islice(cycles(end), first, None))
        sent: list[tuple[int, int]] = []
        begin = time.monotonic()
        for number, (ts, bars) in enumerate(made):
            while (left := begin + number * period - time.monotonic()) > 0:
                self.producer.poll(min(left, 0.001))
            if control:
                self.send(control, clock_tick(ts), ts)
            for bar in bars:
                self.send(market, bar, ts)
            sent.append((ts, time.monotonic_ns()))
            self.producer.poll(0)
        if self.producer.flush(60):
            raise RuntimeError("the broker did not take the bars within 60 s")
        return sent


def main() -> None:
    """Feeds, then writes what was sent when."""
    servers, market, control, rate, first, end, out = sys.argv[1:]
    sent = Feed(servers).run(market, control, float(rate), int(first), int(end))
    Path(out).write_text("".join(f"{ts} {at}\n" for ts, at in sent))


if __name__ == "__main__":
    main()
