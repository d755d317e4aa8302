"""Which pods served, and since when."""

import pytest

from maibo_slo.store import open_store
from maibo_slo.store.served import Served, first_served, insert

T = 1_795_000_000.123456


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    with open_store(f"chdb://{tmp_path_factory.mktemp('served') / 'store'}") as store:
        yield store


def test_a_pod_has_served_since_the_first_journey_that_it_ended_to_the_microsecond(opened):
    insert(opened, [Served("shop", "api-1", "api", T, T + 5), Served("shop", "api-2", "api", T + 1, T + 1)])
    found = first_served(opened, "shop", ["api-1", "api-2", "api-3", "api-1"])
    assert found == {"api-1": pytest.approx(T, abs=1e-6), "api-2": pytest.approx(T + 1, abs=1e-6)}
    assert first_served(opened, "other", ["api-1"]) == {}
    assert first_served(opened, "shop", []) == {}


def test_what_is_told_twice_late_or_of_another_service_keeps_the_earliest(opened):
    told = Served("shop", "twice", "api", T, T)
    insert(opened, [told])
    insert(opened, [told])
    insert(opened, [told._replace(first=T + 9, last=T + 9)])
    insert(opened, [told._replace(service="worker", first=T - 2, last=T - 2)])
    opened.execute("OPTIMIZE TABLE served_pods FINAL")
    assert first_served(opened, "shop", ["twice"]) == {"twice": pytest.approx(T - 2, abs=1e-6)}
    rows = opened.rows("SELECT toUnixTimestamp64Micro(last) FROM served_pods WHERE pod = 'twice' AND service = 'api'")
    assert [int(each) for (each,) in rows] == [round((T + 9) * 1e6)]


def test_nothing_is_nothing(opened):
    before = opened.rows("SELECT count() FROM served_pods")
    insert(opened, [])
    assert opened.rows("SELECT count() FROM served_pods") == before


def test_more_pods_than_one_query_may_name(opened):
    insert(opened, [Served("many", f"pod-{number}", "", T, T) for number in range(0, 2500, 100)])
    assert len(first_served(opened, "many", [f"pod-{number}" for number in range(2500)])) == 25
