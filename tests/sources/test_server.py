"""Whatever answers, a question ends in time and in a text that a person can act on; secrets are sent and never told."""

from __future__ import annotations

import json
import ssl
import time
from base64 import b64encode
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import pytest
import trustme
from hypothesis import given, settings
from hypothesis import strategies as st

from maibo_slo.engine.counts import GoodBad
from maibo_slo.engine.feeding import SourceError, SourceUnreachable
from maibo_slo.engine.inbox import MOST_EVENTS
from maibo_slo.sources import server
from maibo_slo.sources.prometheus import Prometheus, _series

if TYPE_CHECKING:
    from pathlib import Path

BEGIN = 1_700_006_400
END = BEGIN + 300


def matrix(**parts: list[Any]) -> str:
    """An answer with these samples."""
    result = [{"metric": {"maibo_part": part}, "values": values} for part, values in parts.items()]
    return json.dumps({"status": "success", "data": {"resultType": "matrix", "result": result}})


def counts(slo: Any) -> Any:
    return Prometheus(now=lambda: END + 3600.0).counts(slo, BEGIN, END)


def test_it_asks_once_at_one_time_for_what_is_closed(told, make_slo):
    told.says(matrix(total=[[BEGIN + 60, "3"]], bad=[[BEGIN + 60, "1"]]))
    assert counts(make_slo(told.url + "/prometheus/", good=None)) == {BEGIN: GoodBad(2, 1)}
    [(path, _, body)] = told.asked
    asked = {name: value[0] for name, value in parse_qs(body).items()}
    assert path == "/prometheus/api/v1/query_range"
    assert (asked["start"], asked["end"], asked["step"]) == (str(BEGIN + 60), str(END), "60")
    assert asked["query"].count("increase(") == 2
    assert (asked["partial_response"], asked["deny_partial_response"]) == ("false", "1")


@pytest.mark.parametrize(
    ("status", "body", "error", "says"),
    [
        (200, "<html>nginx</html>", SourceUnreachable, "answered 200 and no JSON: <html>nginx</html>; is this a Prom"),
        (503, "Service Unavailable\x1b[2J", SourceUnreachable, "answered 503 and no JSON: Service Unavailable\ufffd"),
        (200, "[" * 100_000, SourceUnreachable, "and no JSON"),
        (200, '{"status": "success", "isPartial": true, "data": {}}', SourceUnreachable, "with a part of the data"),
        (200, "7", SourceUnreachable, "no object; is this a Prometheus?"),
        (302, "", SourceUnreachable, "redirects are not followed; mend url in connectionDetails"),
        (401, "who?", SourceUnreachable, "answered 401: it does not let us ask; give username and passwordFile"),
        (
            422,
            '{"status": "error", "error": "too\\nmany samples"}',
            SourceError,
            r"\(422\): too many samples; mend the",
        ),
        (503, '{"status": "error", "error": "query timed out"}', SourceError, r"\(503\): query timed out"),
        (400, '{"status": "error"}', SourceError, "without a reason"),
    ],
)
def test_what_is_no_answer_is_told(told, make_slo, status, body, error, says):
    told.says(body, status=status, Location="http://127.0.0.1:1/elsewhere")
    with pytest.raises(error, match=says) as raised:
        counts(make_slo(told.url))
    assert type(raised.value) is error
    assert len(told.asked) == 1


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        {"resultType": "scalar", "result": [BEGIN, "1"]},
        {"resultType": "matrix"},
        {"resultType": "matrix", "result": [{"metric": {}, "values": []}]},
        {"resultType": "matrix", "result": [{"metric": {"maibo_part": "total"}, "values": [7]}]},
        {"resultType": "matrix", "result": [{"metric": {"maibo_part": "total"}, "values": [[BEGIN + 60, 1]]}]},
        {"resultType": "matrix", "result": [{"metric": {"maibo_part": "total"}, "values": [[BEGIN + 60, "many"]]}]},
        {"resultType": "matrix", "result": [{"metric": {"maibo_part": "total"}, "values": [["now", "1"]]}]},
        {"resultType": "matrix", "result": [{"metric": {"maibo_part": "total"}, "values": [[1e400, "1"]]}]},
    ],
)
def test_an_answer_of_another_shape_is_none(told, make_slo, data):
    told.says(json.dumps({"status": "success", "data": data}))
    with pytest.raises(SourceError, match="answered what no Prometheus answers"):
        counts(make_slo(told.url))


def test_more_events_than_the_engine_takes_are_told_with_the_mend(told, make_slo):
    told.says(matrix(total=[[BEGIN + 60, str(MOST_EVENTS)]]))
    assert counts(make_slo(told.url)) == {BEGIN: GoodBad(MOST_EVENTS, 0)}
    told.says(matrix(total=[[BEGIN + 60, str(MOST_EVENTS + 1)]]))
    with pytest.raises(SourceError, match=r"count with increase\(\) of a counter"):
        counts(make_slo(told.url))


def test_no_data_is_neither_good_nor_bad(told, make_slo):
    times = [BEGIN + 60 * i for i in range(1, 6)]
    told.says(
        matrix(
            total=[[times[0], "NaN"], [times[1], "+Inf"], [times[2], "4"], [times[3], "4"], [times[4], "0"]],
            bad=[[times[0], "1"], [times[1], "1"], [times[2], "NaN"], [times[3], "9"]],
        )
    )
    assert counts(make_slo(told.url)) == {times[3] - 60: GoodBad(0, 4)}, "never more bad than there were"


def test_a_count_that_is_none_is_refused(told, make_slo):
    for number in ("-1", "1e16"):
        told.says(matrix(total=[[BEGIN + 60, number]]))
        with pytest.raises(SourceError, match="count with increase"):
            counts(make_slo(told.url))


def test_a_huge_answer_is_not_read(told, make_slo):
    told.says(b" " * (server.MOST_BYTES + 1))
    with pytest.raises(SourceError, match="more than 4 MiB"):
        counts(make_slo(told.url))


def test_an_answer_that_drips_ends_in_time(told, make_slo, monkeypatch):
    monkeypatch.setattr(server, "DEADLINE_SECONDS", 0.3)
    told.pause_seconds = 0.05
    begun = time.monotonic()
    with pytest.raises(SourceUnreachable, match=r"did not answer within 0\.3 s"):
        counts(make_slo(told.url))
    assert time.monotonic() - begun < 5


def test_who_asks_is_told_from_files_and_in_no_error(told, make_slo, tmp_path: Path):
    password, token = tmp_path / "password", tmp_path / "token"
    password.write_text("hush\n")
    token.write_text("hush-too\n")
    told.says("hush", status=401)
    for slo, secret, sent in (
        (
            make_slo(told.url, username="me", passwordFile=str(password)),
            "hush",
            f"Basic {b64encode(b'me:hush').decode()}",
        ),
        (make_slo(told.url, bearerTokenFile=str(token)), "hush-too", "Bearer hush-too"),
    ):
        with pytest.raises(SourceUnreachable) as raised:
            counts(slo)
        assert told.asked[-1][1]["Authorization"] == sent
        assert "hush" not in str(raised.value)
        for body in (f"no such page; you sent {sent}, {secret}", json.dumps({"status": "error", "error": sent})):
            told.says(body, status=400)
            with pytest.raises(SourceError) as raised:
                counts(slo)
            assert "***" in str(raised.value)
            assert not any(each in str(raised.value) for each in (secret, sent.split()[1]))
        told.says("hush", status=401)
    told.says(matrix())
    token.write_text("rotated")
    counts(make_slo(told.url, bearerTokenFile=str(token)))
    assert told.asked[-1][1]["Authorization"] == "Bearer rotated"


def test_a_secret_that_cannot_be_read_is_told_before_anybody_is_asked(told, make_slo, tmp_path: Path):
    with pytest.raises(SourceError, match=r"bearerTokenFile .*none cannot be read: No such file"):
        counts(make_slo(told.url, bearerTokenFile=str(tmp_path / "none")))
    (tmp_path / "lines").write_text("one\ntwo")
    with pytest.raises(SourceError, match="must hold one line"):
        counts(make_slo(told.url, bearerTokenFile=str(tmp_path / "lines")))
    assert told.asked == []


def test_a_certificate_of_ones_own_authority_is_trusted_and_no_other(https_told, make_slo, tmp_path: Path):
    told, ca = https_told
    told.says(matrix(total=[[BEGIN + 60, "3"]]))
    authority = tmp_path / "ca.pem"
    ca.cert_pem.write_to_path(str(authority))
    assert counts(make_slo(told.url, caFile=str(authority))) == {BEGIN: GoodBad(3, 0)}
    with pytest.raises(SourceUnreachable, match=r"cannot be reached: ConnectError: .*certificate"):
        counts(make_slo(told.url))
    with pytest.raises(SourceError, match=r"caFile .*none\.pem: not usable for TLS"):
        counts(make_slo(told.url, caFile=str(tmp_path / "none.pem")))


@pytest.fixture
def https_told(told_over):
    ca = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    with told_over(context) as told:
        yield told, ca


def test_an_interval_that_does_not_divide_an_hour_is_refused(told, make_slo):
    for interval in ("7m", "2h", "90s", "often", "1M"):
        with pytest.raises(
            SourceError, match=r"slos\.yaml:1\), connectionDetails: interval .* must be minutes that div"
        ):
            counts(make_slo(told.url, interval=interval))


def test_the_present_of_a_counter_that_is_scraped_too_seldom_is_told_once_it_lasts(told, make_slo):
    told.says(matrix())
    source = Prometheus(now=lambda: BEGIN + 660.0)
    assert source.counts(make_slo(told.url), BEGIN, BEGIN + 300) == {}, "too short a time to say"
    assert len(told.asked) == 1
    assert source.counts(make_slo(told.url), BEGIN, BEGIN + 600) == {}
    assert [path for path, *_ in told.asked[1:]] == ["/api/v1/query_range", "/api/v1/query"]
    assert Prometheus(now=lambda: BEGIN + 6000.0).counts(make_slo(told.url), BEGIN, BEGIN + 600) == {}
    assert len(told.asked) == 4, "the past is what it was"


@settings(max_examples=100)
@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=5),
        lambda x: (
            st.lists(x, max_size=3)
            | st.dictionaries(
                st.sampled_from(["resultType", "result", "metric", "values", "value", "maibo_part"]), x, max_size=3
            )
        ),
        max_leaves=12,
    )
)
def test_no_answer_raises_anything_else(data: object) -> None:
    with suppress(SourceError):
        assert isinstance(_series(data, server.Server("http://p:9090")), dict)
