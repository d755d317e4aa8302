"""Each rule: a document that it is about, with its numbers worked by hand, and a near one that it is not about."""

import pytest

BOTH = "outcome: [success, failure]"
ALL = "outcome: [success, failure, abandoned]"


def test_the_shop_of_these_tests_is_clean(shop):
    assert shop.lint(shop.journey_slo(), shop.prometheus_slo()).findings == ()


# --- what validation refuses: the same errors, with an id


@pytest.mark.parametrize("objectives", ["[{target: 1}]", "[{target: 1.0}]", "[{targetPercent: 100}]"])
def test_an_objective_of_100_percent_has_a_page(shop, objectives):
    linted = shop.lint(shop.journey_slo(objectives=objectives))
    (finding,) = linted.findings
    assert (finding.rule.id, finding.rule.severity) == ("SLO001", "error")
    assert shop.at(finding).startswith("1")
    assert not linted.usable


def test_a_target_above_1_is_another_mistake(shop):
    linted = shop.lint(shop.journey_slo(objectives="[{target: 99.9}]"))
    assert linted.findings == ()
    assert "must be above 0 and below 1" in linted.problems[0].message


def test_a_latency_off_the_grid_has_a_page(shop):
    (finding,) = shop.lint(shop.journey_slo(selected="maxDuration: 333ms")).findings
    assert (finding.rule.id, finding.mend) == ("SLO002", "use 330ms or 335ms")
    assert shop.at(finding).startswith("333ms")
    assert shop.lint(shop.journey_slo(selected="maxDuration: 3 ms")).findings == ()  # no duration at all


def test_a_window_of_two_years_has_a_page(shop):
    (finding,) = shop.lint(shop.journey_slo(window="2Y")).findings
    assert finding.rule.id == "SLO003"
    assert shop.at(finding) == "2Y"
    assert shop.lint(shop.journey_slo(window="400d")).usable


# --- windows


def test_a_window_longer_than_minutes_are_kept(shop):
    finding = shop.found(shop.journey_slo(window="42d"))["SLO004"]
    assert "from 35d of minutes, so 7d of its 42d begin without data" in finding.message
    assert shop.at(finding) == "42d"
    assert shop.found(shop.journey_slo(window="35d")) == {}


def test_a_window_in_minutes(shop):
    found = shop.found(shop.journey_slo(window="90m"))
    assert set(found) == {"SLO005"}
    assert found["SLO005"].message.startswith("90m is 90 minutes")
    assert "write 90M" in found["SLO005"].mend
    assert shop.found(shop.journey_slo(window="2h")) == {}


def test_a_window_shorter_than_every_burn_alert(shop):
    finding = shop.found(shop.journey_slo(window="59m"))["SLO006"]
    assert "looks back 60 minutes, and this window is 59" in finding.message
    assert "SLO006" not in shop.found(shop.journey_slo(window="60m"))


@pytest.mark.parametrize(("window", "told"), [("1M", "30d"), ("1Q", "90d"), ("1Y", "365d")])
def test_a_rolling_month_does_not_begin_anew(shop, window, told):
    found = shop.found(shop.journey_slo(window=window))
    assert found["SLO007"].message.startswith(f"{window} is {told} that roll")
    assert found["SLO007"].rule.severity == "info"
    assert "SLO008" not in found  # said already
    assert "SLO007" not in shop.found(shop.journey_slo(window="30d"))


def test_a_window_that_is_not_of_whole_weeks(shop):
    finding = shop.found(shop.journey_slo(window="30d"))["SLO008"]
    assert finding.message.startswith("30d is 4 weeks and 2d")
    assert finding.mend == "use 28d or 35d"
    assert shop.found(shop.journey_slo(window="4w")) == {}
    assert shop.found(shop.journey_slo(window="3d")) == {}  # no weeks at all


# --- budgets


def test_a_budget_smaller_than_one_event(shop):
    document = shop.journey_slo(objectives="[{targetPercent: 99.99}]")
    finding = shop.found(document, per_day=250)["SLO009"]  # 250 x 28 x 0.0001
    assert "at 250 events a day, 99.99 % over 28d allows 0.7 failures" in finding.message
    assert "0.0429 % (3 events)" in finding.mend  # 3 / 7000
    assert shop.at(finding).startswith("99.99")
    assert shop.found(document) == {}, "nobody said how many events there are"
    assert "SLO009" not in shop.found(document, per_day=358)  # 1.0024


def test_a_budget_that_is_gone_before_an_alert_may_fire(shop):
    document = shop.journey_slo(objectives="[{target: 0.999}]")
    finding = shop.found(document, per_day=100)["SLO010"]  # 100 x 28 x 0.001
    assert "allows 2.8 failures, and a burn alert waits for 3" in finding.message
    assert shop.found(document, per_day=108) == {}  # 3.024


def test_the_document_itself_says_how_many_events_there_are(shop):
    said = shop.journey_slo(objectives="[{target: 0.999}]", annotations='maibo.dev/events-per-day: "10"')
    assert "allows 0.28 failures" in shop.found(said, per_day=10_000)["SLO009"].message


def test_a_mend_never_asks_for_more_events_than_there_are(shop):
    finding = shop.found(shop.journey_slo(), per_day=0.1)["SLO009"]  # 2.8 events, of which 0.028 may be bad
    assert finding.mend.startswith("lower the target")


def test_a_page_that_is_out_of_reach(shop):
    finding = shop.found(shop.journey_slo(objectives="[{target: 0.9}]"))["SLO011"]  # 0.02 x 672 h = 13.44
    assert (
        "2 % of the budget within 1h is a burn of 13.4, and 13.4 x 10 % = 134 % of events cannot be bad"
        in finding.message
    )
    assert finding.message.endswith("it comes only when 90 % are")
    assert "above 92.6 %" in finding.mend  # 1 - 1/13.44
    assert shop.found(shop.journey_slo(objectives="[{target: 0.926}]")) == {}
    assert "SLO011" in shop.found(shop.journey_slo(objectives="[{target: 0.925}]"))
    assert shop.found(shop.journey_slo(window="7d", objectives="[{target: 0.9}]")) == {}  # 3.36 x 10 %


def test_a_target_below_half_was_meant_as_a_ratio(shop):
    finding = shop.found(shop.journey_slo(objectives="[{targetPercent: 0.999}]"))["SLO012"]
    assert "0.999 % lets 99.001 % of all events be bad" in finding.message
    assert finding.mend == "write target: 0.999 if 99.9 % is meant"
    assert "SLO012" not in shop.found(shop.journey_slo(objectives="[{target: 0.5}]"))


def test_objectives_with_the_same_target(shop):
    objectives = "[{displayName: a, target: 0.99}, {displayName: b, targetPercent: 99.0}]"
    found = shop.found(shop.journey_slo(objectives=objectives))
    assert set(found) == {"SLO013"}
    assert "'a' and 'b' are both 99 %" in found["SLO013"].message
    assert shop.at(found["SLO013"]).startswith("99.0")


def test_an_objective_that_is_missed_only_after_another(shop):
    found = shop.found(shop.journey_slo(objectives="[{target: 0.99}, {target: 0.999}]"))
    assert set(found) == {"SLO014"}
    assert (
        "'0.99' (99 %) is missed only when the budget of '0.999' (99.9 %) is spent 10 times over"
        in found["SLO014"].message
    )


def test_two_slos_that_promise_the_same(shop):
    found = shop.found(shop.journey_slo(), shop.journey_slo(name="quick", objectives="[{targetPercent: 99}]"))
    assert found["SLO015"].document == "quick"
    assert "SLO 'fast'" in found["SLO015"].message
    assert shop.found(shop.journey_slo(), shop.journey_slo(name="quick", window="7d")) == {}
    assert shop.found(shop.journey_slo(), shop.journey_slo(name="quick", selected="maxDuration: 310ms")) == {}


# --- indicators of journeys


def test_a_failure_that_counts_as_good(shop):
    finding = shop.found(shop.journey_slo(selected=f"maxDuration: 300ms, {BOTH}"))["SLO016"]
    assert "good counts failure and success within 300ms" in finding.message
    assert shop.at(finding).startswith("[success, failure]")
    assert shop.found(shop.journey_slo(selected="maxDuration: 300ms, outcome: success")) == {}


def test_bad_with_a_maximum_makes_slow_failures_good(shop):
    finding = shop.found(shop.journey_slo(part="bad", selected="maxDuration: 500ms"))["SLO017"]
    assert "a failure after 500ms is good" in finding.message
    assert shop.found(shop.journey_slo(part="bad", selected="")) == {}


def test_slow_events_that_are_left_out(shop):
    finding = shop.found(shop.journey_slo(total="maxDuration: 2s"))["SLO018"]
    assert "at most 2s" in finding.message


@pytest.mark.parametrize(
    ("part", "selected", "total", "share"),
    [("good", BOTH, "", "100 %"), ("bad", BOTH, "", "0 %"), ("good", "", "outcome: success", "100 %")],
)
def test_an_sli_that_is_always_the_same(shop, part, selected, total, share):
    found = shop.found(shop.journey_slo(part=part, selected=selected, total=total))
    assert f"attainment is {share} whatever happens" in found["SLO019"].message
    assert found["SLO019"].rule.severity == "error"
    assert "SLO016" not in found


def test_good_and_total_of_one_outcome_but_for_a_tier_are_not_the_same(shop):
    assert "SLO019" not in shop.found(shop.journey_slo(selected="tier: vip", total="outcome: success"))


def test_failures_that_count_nowhere(shop):
    found = shop.found(shop.journey_slo(total="outcome: success"))
    assert set(found) == {"SLO020"}
    assert found["SLO020"].rule.severity == "info"


def test_who_changes_their_mind_counts_as_bad(shop):
    assert set(shop.found(shop.journey_slo(total=ALL))) == {"SLO021"}
    assert set(shop.found(shop.journey_slo(part="bad", selected="outcome: [failure, abandoned]", total=ALL))) == {
        "SLO021"
    }
    assert shop.found(shop.journey_slo(part="bad", selected="outcome: failure", total=ALL)) == {}


def test_the_last_step_in_place_of_the_journey(shop):
    pays = shop.journey_slo(name="pays", selected="step: payment", total="step: payment")
    assert set(shop.found(pays)) == {"SLO022"}
    assert shop.found(pays, shop.journey_slo()) == {}, "the journey is counted too"
    assert shop.found(pays.replace("step: payment", "step: basket")) == {}, "it ends nothing"


def test_a_threshold_beyond_the_timeout(shop):
    finding = shop.found(shop.journey_slo(selected="maxDuration: 30m"))["SLO023"]
    assert "maxDuration 30m is no shorter than the timeout of 30m" in finding.message
    assert shop.found(shop.journey_slo(selected="maxDuration: 25m")) == {}


def test_an_slo_of_one_version(shop):
    version = 'version: "1.4.2"'
    assert "version 1.4.2" in shop.found(shop.journey_slo(selected=version, total=version))["SLO024"].message
    assert shop.found(shop.journey_slo(selected=version)) == {}, "total counts every version"


def test_an_sli_of_its_own_is_pointed_at_where_it_is_referred_to(shop):
    sli = "---\napiVersion: openslo/v1\nkind: SLI\nmetadata: {name: all}\nspec:\n  ratioMetric:\n" + "".join(
        f"    {part}: {{metricSource: {{type: journey, spec: {{journey: checkout, {BOTH}}}}}}}\n"
        for part in ("good", "total")
    )
    slo = shop.journey_slo().partition("  indicator:")[0] + "  indicatorRef: all\n"
    assert shop.at(shop.found(sli, slo)["SLO019"]) == "all"


# --- alert conditions


def test_an_alert_on_a_burn_that_the_budget_outlasts(shop):
    finding = shop.found(shop.alert_condition(threshold="0.933", lookback="3d"))["SLO025"]
    assert "ends the window with 6.7 % of the budget left" in finding.message
    assert shop.at(finding).startswith("0.933")
    assert shop.found(shop.alert_condition(threshold="1", lookback="3d")) == {}


def test_an_alert_that_cannot_fire(shop):
    slo = shop.journey_slo(objectives="[{target: 0.93}]", policies="alertPolicyRef: wake".join("{}"))
    found = shop.found(shop.alert_condition(threshold="14.4"), slo)
    assert "waits for a burn of 14.4, and at 93 % a total outage burns 14.3" in found["SLO026"].message
    assert found["SLO026"].document == "fast"
    assert "SLO026" not in shop.found(shop.alert_condition(threshold="14.2"), slo)


def test_an_alert_that_fires_while_all_is_well(shop):
    finding = shop.found(shop.alert_condition(op="lte", threshold="2"))["SLO027"]
    assert "at most 2: always, but in trouble" in finding.message
    assert shop.found(shop.alert_condition(op="gte", threshold="2")) == {}


@pytest.mark.parametrize(("window", "spent", "fitting"), [("7d", "8.57", "3.36"), ("12w", "0.714", "40.3")])
def test_a_burn_rate_that_belongs_to_30_days(shop, window, spent, fitting):
    slo = shop.journey_slo(window=window, policies="{alertPolicyRef: wake}")
    finding = shop.found(shop.alert_condition(threshold="14.4"), slo)["SLO028"]
    assert f"spends 2 % of a 30-day budget, but {spent} % of this one of {window}" in finding.message
    assert f"for 2 % use {fitting}" in finding.mend
    assert "SLO028" not in shop.found(shop.alert_condition(threshold="13"), slo)


def test_28_days_are_near_enough_to_30(shop):
    slo = shop.journey_slo(policies="{alertPolicyRef: wake}")
    assert shop.found(shop.alert_condition(threshold="14.4"), slo) == {}


# --- indicators of Prometheus


@pytest.mark.parametrize(
    ("rule", "query", "told"),
    [
        ("SLO029", "avg_over_time(up[{{.window}}])", "good takes avg_over_time"),
        ("SLO029", "histogram_quantile (0.99, rate(x_bucket[{{.window}}]))", "takes histogram_quantile"),
        ("SLO029", "avg by (pod) (increase(x[{{.window}}]))", "takes avg"),
        ("SLO030", "increase(a[{{.window}}]) / increase(b[{{ .window }}])", "good divides"),
        ("SLO031", "clamp_min(increase(a[{{.window}}]), 1)", "guarded with clamp_min"),
        ("SLO031", "sum(increase(a[{{.window}}])) or vector(0)", "guarded with or vector"),
        ("SLO032", "sum(increase(job:paid:sum[{{.window}}]))", "the increase of job:paid:sum"),
        ("SLO033", 'sum(increase(x_bucket{le="1"}[{{.window}}]))', 'stores as le="1.0"'),
        (
            "SLO034",
            "sum(increase(a[{{.window}}])) - sum(increase(b[5m]))",
            "looks back 5m whichever window is asked: for a budget of 14d",
        ),
        ("SLO035", "sum(increase(a[{{.window}}] offset 5m))", "total is asked without offset, good with offset 5m"),
    ],
)
def test_a_query_that_counts_no_events(shop, rule, query, told):
    found = shop.found(shop.prometheus_slo(selected=query))
    assert set(found) == {rule}
    assert told in found[rule].message
    assert shop.at(found[rule]).startswith(f"'{query}'")


@pytest.mark.parametrize(
    "query",
    [
        'sum(increase(http_requests_total{route="/a/b", job="avg(x)"}[{{.window}}]))',
        'http_requests_total{code!~"5.."}',
        'sum(increase(x_bucket{le="0.3"}[{{.window}}]))',
        "sum(count_over_time(avg_up[{{.window}}]))",
        "sum(increase(clamp_events_total[{{ .window }}]))",
        "sum_over_time(job:up:sum[{{.window}}])",
        "count_over_time((sum(increase(a[5m])) > 0)[{{.window}}:5m])",
    ],
)
def test_a_query_that_only_looks_like_one_of_those(shop, query):
    assert shop.found(shop.prometheus_slo(selected=query)) == {}


def test_the_same_query_twice(shop):
    same = "sum(increase(http_requests_total[{{.window}}]))"
    assert "attainment is 100 %" in shop.found(shop.prometheus_slo(selected=same))["SLO019"].message
    assert "attainment is 0 %" in shop.found(shop.prometheus_slo(part="bad", selected=same))["SLO019"].message


def test_both_queries_may_have_the_same_offset(shop):
    good, total = ("sum(increase(a[{{.window}}] offset 1m))", "sum(increase(b[{{.window}}] offset 1m))")
    assert shop.found(shop.prometheus_slo(selected=good, total=total)) == {}


def test_a_window_longer_than_prometheus_keeps_samples(shop):
    found = shop.found(shop.prometheus_slo(window="28d"))
    assert set(found) == {"SLO036"}
    assert "need 28d of samples" in found["SLO036"].message
    assert "retention.time=29d" in found["SLO036"].mend
    assert shop.found(shop.prometheus_slo(window="2w")) == {}
