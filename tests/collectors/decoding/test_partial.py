"""What a sender is told of what was taken but not counted as it stands."""

from maibo_collectors.otlp.decoding.builder import CLOCK_SKEW
from maibo_collectors.otlp.decoding.classify import UNKNOWN_OUTCOME
from maibo_collectors.otlp.decoding.rules import Rules
from maibo_collectors.otlp.decoding.tally import Tally
from maibo_collectors.otlp.receiving.partial import message


def test_nothing_is_told_when_all_is_counted():
    assert message(Tally(total=3, counted=2, ignored=1), Rules()) == ""


def test_each_reason_is_told():
    assert message(Tally(rejected={UNKNOWN_OUTCOME: 1}), Rules()) == "1 span rejected: 1 unknown outcome"
    told = message(Tally(rejected={UNKNOWN_OUTCOME: 2, CLOCK_SKEW: 1}), Rules(), unit="log record")
    assert told == f"3 log records rejected: 1 {CLOCK_SKEW}, 2 unknown outcome"


def test_a_hundred_reasons_make_no_long_message():
    told = message(
        Tally(rejected={f"{UNKNOWN_OUTCOME} '{number}'": 1 for number in range(100)} | {CLOCK_SKEW: 7}), Rules()
    )
    assert told.startswith(f"107 spans rejected: 7 {CLOCK_SKEW}, 1 unknown outcome '0', ")
    assert told.endswith(", 91 for other reasons")


def test_what_overflowed_is_told_by_journey_and_limit():
    told = message(Tally(rejected={UNKNOWN_OUTCOME: 1}, overflowed={"checkout": 2, "search": 1}), Rules(series_limit=9))
    assert told.startswith("1 span rejected: 1 unknown outcome; ")
    assert "2 spans of checkout, 1 span of search" in told
    assert "9 series" in told


def test_a_thousand_journeys_make_no_long_message():
    told = message(Tally(overflowed={f"{number}" * 50: 1 for number in range(1000)}), Rules())
    assert "and 995 other journeys" in told
    assert len(told) < 1500
