"""Corrections: when they are, whom they concern, who answers for them; and rules by which they come again."""

import doctest
from datetime import datetime
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maibo_slo.documents import moments, recurrence
from maibo_slo.documents.recurrence import RecurrenceError

CORRECTION = """\
---
apiVersion: maibo.dev/v1
kind: Correction
metadata: {name: db-upgrade}
spec:
  kind: maintenance
  start: 2026-01-04 02:00:00
  duration: 2h
  who: database team
  why: The database is upgraded.
"""


at = datetime.fromisoformat


@pytest.fixture
def corrected(judge, valid):
    """The correction of documents with one thing written otherwise; an assertion of what is told when it is no good."""

    def read(written="", instead="", *, told=()):
        assert written in CORRECTION
        problems = judge.problems(valid + CORRECTION.replace(written, instead, 1))
        assert [problem.split(": ", 1)[1] for problem in problems] == list(told)
        catalogue, _ = judge.check()
        return catalogue.corrections["db-upgrade"] if catalogue else None

    return read


def test_a_correction_says_when_what_and_who(corrected):
    found = corrected()
    assert (found.kind, found.effect, found.start, found.duration_seconds, found.zone, found.rrule) == (
        "maintenance", "exclude", at("2026-01-04 02:00"), 7200, "UTC", "",
    )  # fmt: skip
    assert (found.who, found.why) == ("database team", "The database is upgraded.")
    assert (found.slos, found.services, found.journeys) == ((), (), ())
    assert found.origin.line == 56


@pytest.mark.parametrize(
    ("kind", "effect"),
    [("maintenance", "exclude"), ("chaos", "annotate"), ("incident", "annotate"), ("other", "annotate")],
)
def test_what_is_planned_is_excluded_and_what_happened_is_shown_unless_told_otherwise(corrected, kind, effect):
    assert corrected("maintenance", kind).effect == effect
    for said in ("exclude", "count_as_good", "annotate"):
        assert corrected("kind: maintenance", f"kind: {kind}\n  effect: {said}").effect == said


@pytest.mark.parametrize(
    "start", ["2026-01-04 02:00", "2026-01-04T02:00:00", '"2026-01-04T02:00:00Z"', "2026-01-04T04:30:00+02:30"]
)
def test_a_moment_may_be_written_as_people_write_it(corrected, start):
    assert corrected("2026-01-04 02:00:00", start).start == at("2026-01-04 02:00")


def test_a_moment_with_an_offset_is_what_the_zones_clock_showed(corrected):
    found = corrected("start: 2026-01-04 02:00:00", "timeZone: Asia/Kolkata\n  start: 2026-01-04T02:00:00Z")
    assert (found.start, found.zone) == (at("2026-01-04 07:30"), "Asia/Kolkata")


def test_an_end_is_as_far_away_as_time_passes_whatever_clocks_do(corrected):
    spring = "timeZone: Europe/Berlin\n  start: 2026-03-29 01:00:00\n  end: 2026-03-29 04:00:00"
    assert corrected("start: 2026-01-04 02:00:00\n  duration: 2h", spring).duration_seconds == 7200
    autumn = spring.replace("03-29", "10-25")
    assert corrected("start: 2026-01-04 02:00:00\n  duration: 2h", autumn).duration_seconds == 4 * 3600


@pytest.mark.parametrize(
    ("written", "instead", "problem"),
    [
        ("kind: maintenance", "kind: maintainance", "spec.kind: 'maintainance' is not one of maintenance, chaos, incident, other (did you mean 'maintenance'?)"),
        ("kind: maintenance", "kind: other\n  effect: good", "spec.effect: 'good' is not one of exclude, count_as_good, annotate"),
        ("  start: 2026-01-04 02:00:00\n", "", "spec.start: is required (write it as 2026-01-01 02:00:00)"),
        ("2026-01-04 02:00:00", "2026-02-30 02:00:00", "spec.start: '2026-02-30 02:00:00' is not a date and time (write it as 2026-01-01 02:00:00)"),
        ("2026-01-04 02:00:00", "2026-01-04", "spec.start: '2026-01-04' is not a date and time (write it as 2026-01-01 02:00:00)"),
        ("2026-01-04 02:00:00", "0026-01-04 02:00:00", "spec.start: must be between 1970 and 2199 (write it as 2026-01-01 02:00:00)"),
        ("duration: 2h", "duration: 2 hours", "spec.duration: '2 hours' is not a duration from 1s to 11d (write it as '2h'; units are s, m (minutes), h, d)"),
        ("duration: 2h", "duration: 1500ms", "spec.duration: must be whole seconds (write it as '2h')"),
        ("  duration: 2h\n", "", "spec.end: give exactly one of end and duration (such as duration: 2h)"),
        ("duration: 2h", "duration: 2h\n  end: 2026-01-04 03:00:00", "spec.end: give exactly one of end and duration (such as duration: 2h)"),
        ("duration: 2h", "end: 2026-01-04 02:00:00", "spec.end: is not after start (swap them, or mend the date)"),
        ("duration: 2h", "end: 2028-01-04 02:00:00", "spec.end: is 730 days after start (counts are kept for 400 days: write a shorter one)"),
        ("duration: 2h", "duration: 2h\n  timeZone: Berlin", "spec.timeZone: there is no time zone 'Berlin' (did you mean 'Europe/Berlin'?)"),
        ("duration: 2h", "duration: 2h\n  timeZone: Asia/Beijing", "spec.timeZone: there is no time zone 'Asia/Beijing' (did you mean 'Asia/Shanghai'?)"),
        ("  who: database team\n", "", "spec.who: is required (name the person or team that answers for it)"),
        ("who: database team", "who: ' '", "spec.who: must not be empty (name the person or team that answers for it)"),
        ("  why: The database is upgraded.\n", "", "spec.why: is required (say it in a sentence: who reads the numbers asks)"),
        ("duration: 2h", "duration: 2h\n  slos: [availble]", "spec.slos[0]: there is no SLO named 'availble' (did you mean 'available'?; known: available)"),
        ("duration: 2h", "duration: 2h\n  services: chop", "spec.services: there is no Service named 'chop' (did you mean 'shop'?; known: shop)"),
        ("duration: 2h", "duration: 2h\n  journeys: [checkout, pay]", "spec.journeys[1]: there is no Journey named 'pay' (known: checkout)"),
        ("duration: 2h", "duration: 2h\n  rrule: FREQ=DALLY", "spec.rrule: FREQ=DALLY is too often (write one of YEARLY, MONTHLY, WEEKLY, DAILY; for hours add BYHOUR=1,2,3 to DAILY)"),
        ("duration: 2h", "duration: 2h\n  rule: FREQ=DAILY", "spec.rule: unknown field (did you mean 'rrule'?)"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_mend(corrected, written, instead, problem):
    assert corrected(written, instead, told=[f"error: {problem}"]) is None


def test_whom_it_concerns_is_named_by_slo_service_or_journey(corrected):
    found = corrected(
        "duration: 2h", "duration: 2h\n  slos: available\n  services: [shop]\n  journeys: [checkout, checkout]"
    )
    assert (found.slos, found.services, found.journeys) == (("available",), ("shop",), ("checkout",))


def test_asked_for_the_standard_alone_whom_it_concerns_may_be_elsewhere(judge, valid):
    text = valid + CORRECTION.replace("duration: 2h", "duration: 2h\n  slos: elsewhere")
    [problem] = judge.problems(text, standard=True)
    assert "warning: spec.slos: there is no SLO named 'elsewhere'" in problem


def test_a_journey_that_only_an_slo_names_is_known(judge, valid):
    without = "---\n".join(each for each in valid.split("---\n") if "kind: Journey" not in each)
    text = without + CORRECTION.replace("duration: 2h", "duration: 2h\n  journeys: checkout")
    assert judge.catalogue(text).corrections["db-upgrade"].journeys == ("checkout",)


def test_it_comes_again_by_a_rule(corrected):
    assert corrected("duration: 2h", "duration: 2h\n  rrule: FREQ=WEEKLY;BYDAY=SU").rrule == "FREQ=WEEKLY;BYDAY=SU"


def test_a_start_that_is_none_of_the_rules_moments_is_a_warning(corrected):
    assert corrected(
        "duration: 2h",
        "duration: 2h\n  rrule: FREQ=WEEKLY;BYDAY=MO",
        told=[
            "warning: spec.rrule: start is none of its moments, and does not count: the first is 2026-01-05 02:00:00 (write start: 2026-01-05 02:00:00, unless that is meant)"
        ],
    )


def test_two_corrections_of_one_name_are_an_error(judge, valid):
    [problem] = judge.problems(valid + CORRECTION + CORRECTION)
    assert "a second Correction named 'db-upgrade'; the first is at " in problem


# --- rules by which something comes again

START = at("2026-01-04 02:00")


@pytest.mark.parametrize(
    ("rule", "second"),
    [
        ("FREQ=DAILY", at("2026-01-05 02:00")),
        ("freq=weekly", at("2026-01-11 02:00")),
        ("FREQ=MONTHLY;BYDAY=1SU", at("2026-02-01 02:00")),
        ("FREQ=MONTHLY;BYMONTHDAY=-1;BYHOUR=3", at("2026-02-28 03:00")),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29", at("2032-02-29 02:00")),
        ("FREQ=DAILY;INTERVAL=2;UNTIL=20260201", at("2026-01-06 02:00")),
        ("FREQ=WEEKLY;COUNT=2;WKST=SU", at("2026-01-11 02:00")),
    ],
)
def test_the_moments_of_a_rule(rule, second):
    assert recurrence.recurrence(rule, START)[1] == second


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("", "'' is not a part of a rule"),
        ("weekly", "'WEEKLY' is not a part of a rule"),
        ("BYDAY=SU", "FREQ is missing"),
        ("FREQ=SECONDLY", "FREQ=SECONDLY is too often"),
        ("FREQ=HOURLY", "FREQ=HOURLY is too often"),
        ("FREQ=WEEKLY;BYDAY=XX", "BYDAY=XX is no day"),
        ("FREQ=WEEKLY;BYWEEKDAY=SU", "'BYWEEKDAY=SU' is not a part of a rule"),
        ("FREQ=WEEKLY;FREQ=DAILY", "FREQ is there twice"),
        ("FREQ=DAILY;INTERVAL=0", "INTERVAL=0 is not a whole number above 0"),
        ("FREQ=DAILY;INTERVAL=x", "INTERVAL=X is not a whole number above 0"),
        ("FREQ=DAILY;COUNT=-3", "COUNT=-3 is not a whole number above 0"),
        ("FREQ=DAILY;UNTIL=20260301T000000Z", "UNTIL=20260301T000000Z is not a date and time"),
        ("FREQ=DAILY;UNTIL=20261399", "is no rule: "),
        ("FREQ=DAILY;COUNT=1;UNTIL=20260301", "has UNTIL and COUNT"),
        ("FREQ=DAILY;BYHOUR=1,2,3;BYMINUTE=1,2,3,4,5,6,7,8,9", "comes more than 10,000 times in 400 days"),
        ("FREQ=DAILY;BYSETPOS=2", "BYSETPOS has no meaning with FREQ=DAILY"),
        ("FREQ=DAILY;BYHOUR=25", "is no rule: hour must be in 0..23"),
        ("FREQ=DAILY;UNTIL=20250301", "never comes after 2026-01-04 02:00:00"),
        ("FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30", "there is no such day in any year"),
        ("FREQ=DAILY;INTERVAL=7;BYDAY=MO", "never comes after 2026-01-04 02:00:00"),
        ("DTSTART:20260101T000000\nRRULE:FREQ=DAILY", "is more than a rule"),
        ("RRULE:FREQ=DAILY", "is more than a rule"),
        ("FREQ=DAILY;BYDAY=SU\nEXDATE:20260111T020000", "BYDAY=SU\nEXDATE:20260111T020000 is no day"),
        ("FREQ=WEEKLY;BYDAY=1SU", "BYDAY=1SU has no meaning with FREQ=WEEKLY"),
        ("FREQ=YEARLY;BYWEEKNO=1;BYDAY=1SU", "BYDAY=1SU has no meaning with BYWEEKNO"),
        ("FREQ=MONTHLY;INTERVAL=5;BYDAY=1MO,10MO", "there is no 10MO in any month"),
        ("FREQ=YEARLY;BYMONTH=12;BYDAY=-6MO", "there is no -6MO in any month"),
        ("FREQ=YEARLY;BYDAY=54MO", "there is no 54MO in any year"),
        ("FREQ=DAILY;BYDAY=" + "SU," * 200, "has 617 characters, at most 500 are allowed"),
    ],
)
def test_what_is_no_rule_or_never_comes_is_told_with_its_mend(rule, message):
    with pytest.raises(RecurrenceError) as raised:
        recurrence.recurrence(rule, START)
    assert raised.value.message.startswith(message)
    assert raised.value.mend


PARTS = st.sampled_from([
    "FREQ=DAILY", "FREQ=WEEKLY", "FREQ=MONTHLY", "FREQ=YEARLY", "BYDAY=SU", "BYDAY=2MO", "BYDAY=1MO,-5SU", "BYDAY=10MO", "BYDAY=53SU,-53MO", "INTERVAL=5", "BYMONTH=13", "BYMONTHDAY=31", "BYMONTHDAY=0",
    "BYSETPOS=-1", "BYSETPOS=366", "BYWEEKNO=53", "BYYEARDAY=366", "BYHOUR=2,3", "BYHOUR=24", "BYMINUTE=60", "BYSECOND=-1", "INTERVAL=2",
    "INTERVAL=", "COUNT=2", "UNTIL=20270101", "UNTIL=99999999", "WKST=MO", "WKST=1", "=", "BYEASTER=0", "BYDAY=", "BYMONTH=2,",
])  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(parts=st.lists(PARTS, min_size=1, max_size=4), frequency=st.sampled_from(["FREQ=WEEKLY;", "FREQ=YEARLY;", ""]))
def test_whatever_a_rule_says_it_comes_or_is_told(parts, frequency):
    try:
        rule = recurrence.recurrence(frequency + ";".join(parts), START)
    except RecurrenceError:
        return
    assert all(moment >= START for moment in islice(rule, 100)), "and none of the later ones fails"


def test_the_examples_in_docstrings_are_true():
    for module in (moments, recurrence):
        assert doctest.testmod(module).failed == 0
        assert doctest.testmod(module).attempted > 0
