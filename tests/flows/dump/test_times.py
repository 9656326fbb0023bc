"""Every usual way to write a time is understood, and exactly."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.dump.intervals import interval_name, interval_seconds
from flows.dump.times import NO_TIME, NS, parse_epochs, parse_times
from flows.errors import InvalidInput

#: Seconds from 1974 (before which milliseconds look like seconds) to 2100.
seconds = st.integers(126_230_400, 4_102_444_800)


@given(times=st.lists(seconds, min_size=1, max_size=20), unit=st.sampled_from([1, 10**3, 10**6, 10**9]))
def test_epochs_of_every_unit(times: list[int], unit: int) -> None:
    written = [time * unit for time in times]
    expected = [time * NS for time in times]
    assert parse_times([str(value) for value in written]).tolist() == expected
    assert parse_epochs(np.array(written, np.int64)).tolist() == expected


@given(time=seconds, ns=st.integers(0, NS - 1))
def test_a_fraction_of_an_epoch_is_exact(time: int, ns: int) -> None:
    assert parse_times([f"{time}.{ns:09d}"]).tolist() == [time * NS + ns]


@given(
    moment=st.datetimes(datetime(1900, 1, 2), datetime(2199, 1, 1)),
    hours=st.integers(-12, 14),
    separator=st.sampled_from("T "),
)
def test_iso_times_with_and_without_zone(moment: datetime, hours: int, separator: str) -> None:
    since = moment - datetime(1970, 1, 1)
    utc = (since // timedelta(microseconds=1)) * 1000
    local = moment.replace(tzinfo=UTC).astimezone(timezone(timedelta(hours=hours)))
    texts = [moment.isoformat(separator), moment.isoformat(separator) + "Z", local.isoformat(separator),
             moment.isoformat(separator) + " UTC"]  # fmt: skip
    assert parse_times(texts).tolist() == [utc] * 4


@given(day=st.dates(datetime(1970, 1, 1).date(), datetime(2098, 12, 31).date()))
def test_dates(day: datetime) -> None:
    midnight = (day - datetime(1970, 1, 1).date()).days * 86_400 * NS  # type: ignore[operator]
    assert parse_times([day.strftime("%Y-%m-%d"), day.strftime("%Y/%m/%d")]).tolist() == [midnight] * 2
    assert parse_times([day.strftime("%Y%m%d")]).tolist() == [midnight]


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2024-13-01", "nan", "01/02/2024", "99999999999999999999", "-9999999999999999999"]
)
def test_what_is_no_time_is_marked(text: str) -> None:
    assert parse_times(["2024-01-01", text, "2024-01-02"])[1] == NO_TIME
    assert parse_times(["1700000000000", text, "1700000000001"])[1] == NO_TIME


@given(st.text(max_size=20))
def test_no_text_makes_the_parser_fail(text: str) -> None:
    parse_times([text, "1700000000000", "1700000000001"])
    parse_times([text])


@given(st.integers(1, 10**6))
def test_interval_names_and_lengths_agree(length: int) -> None:
    assert interval_seconds(interval_name(length)) == length


@pytest.mark.parametrize("interval", ["", "h", "0m", "1M", "1.5h", "1h ", "-1h"])
def test_an_unknown_interval_is_refused(interval: str) -> None:
    with pytest.raises(InvalidInput, match="interval"):
        interval_seconds(interval)
