import time

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.baggage.propagation import W3CBaggagePropagator

import maibo
from maibo import carriers, problems
from maibo.carriers import Identity
from maibo.names import clean
from maibo.testing import capture

NOW = 1_800_000_000_000_000
ids = st.integers(1, 2**64 - 1).flatmap(
    lambda high: st.integers(1, 2**64 - 1).map(lambda low: f"{high:016x}{low:016x}")
)
texts = st.text(max_size=64).map(lambda text: clean(text, 64))
identities = st.builds(
    Identity,
    texts.filter(bool),
    ids,
    st.integers(NOW - 86_000_000_000, NOW + 59_000_000),
    texts,
    texts,
)


@given(identities)
def test_a_journey_survives_every_way_of_travelling(identity):
    headers: dict[str, str] = {}
    carriers.add_to_headers(identity, headers)
    assert carriers.find(headers, now_us=NOW) == (identity, "baggage")
    assert carriers.find(headers["baggage"], now_us=NOW) == (identity, "baggage")
    assert carriers.find(carriers.to_cookie(identity), now_us=NOW) == (identity, "cookie")
    assert carriers.find({"cookie": f"a=1; maibo-journey={carriers.to_cookie(identity)}"}, now_us=NOW) == (
        identity,
        "cookie",
    )
    assert headers["baggage"].isascii()
    assert carriers.to_cookie(identity).isascii()


@given(identities)
def test_opentelemetry_reads_what_we_write_and_writes_what_we_read(identity):
    from opentelemetry import baggage

    headers: dict[str, str] = {}
    carriers.add_to_headers(identity, headers)
    context = W3CBaggagePropagator().extract(headers)
    assert carriers.from_entries(baggage.get_all(context), now_us=NOW) == identity
    theirs: dict[str, str] = {}
    W3CBaggagePropagator().inject(theirs, context)
    assert carriers.find(theirs, now_us=NOW) == (identity, "baggage")


@given(
    st.text()
    | st.lists(
        st.sampled_from(["journey.ctx=", "a:", "0" * 32, ":", "1", ",", ";", "%", "journey.tier=", "\x00", "=", "é"])
    ).map("".join)
)
def test_no_text_of_a_stranger_breaks_anything(text):
    for carrier in (
        text,
        {"baggage": text},
        {"cookie": text},
        {"cookie": f"maibo-journey={text}"},
        [(b"baggage", text.encode("utf-8", "replace"))],
    ):
        found = carriers.find(carrier, now_us=NOW)
        if found is not None:
            identity = found[0]
            assert 0 < len(identity.name) <= 128
            assert len(identity.id) == 32
            assert len(identity.tier) <= 64
            assert abs(identity.start_us - NOW) <= 86_400_000_000


@given(st.binary(max_size=300))
def test_no_bytes_of_a_stranger_break_anything(raw):
    assert carriers.find([(b"baggage", raw), (raw, b"x")], now_us=NOW) is None


def test_hostile_journeys_are_ignored_counted_and_told_without_a_flood(caplog):
    good = f"checkout:{'a' * 32}:{NOW}"
    hostile = [
        f"checkout:{'a' * 31}:{NOW}",
        f"checkout:{'0' * 32}:{NOW}",
        f"checkout:{'A' * 32}:{NOW}",
        f"checkout:{'a' * 32}:{NOW - 90_000_000_000}",
        f"checkout:{'a' * 32}:{NOW + 90_000_000}",
        f"checkout:{'a' * 32}:{10**30}",
        f"checkout:{'a' * 32}:٣",
        f":{'a' * 32}:{NOW}",
        f"%00%01:{'a' * 32}:{NOW}",
        f"{'x' * 5000}:{'a' * 32}:{NOW}",
    ]
    for context in hostile:
        assert carriers.find({"baggage": f"journey.ctx={context}"}, now_us=NOW) is None, context
    assert carriers.find({"baggage": f"journey.ctx={good}," + "a=b," * 3000}, now_us=NOW) is None
    assert problems.counted(problems.CARRIERS_IGNORED) == len(hostile) + 1
    assert len(caplog.records) <= 3
    assert carriers.find({"baggage": f"journey.ctx={good};property=1"}, now_us=NOW) is not None


def test_control_characters_and_long_names_do_not_come_in():
    header = f"journey.ctx=a%250Ab{'x' * 300}:{'a' * 32}:{NOW},journey.tier=v%0Aip"
    identity, _ = carriers.find({"baggage": header}, now_us=NOW) or (None, None)
    assert identity is not None
    assert identity.name.startswith("a b")
    assert len(identity.name) == 128
    assert identity.tier == "v ip"


def test_everybody_elses_baggage_stays_as_it_was_and_ours_is_replaced():
    with capture(), maibo.journey("checkout") as journey:
        theirs = "a=1;secret, userId=%C3%A9 ,journey.ctx=old:x:1,journey.tier=old,journey.other=kept"
        header = maibo.inject({"Baggage": theirs})["Baggage"]
        assert (
            header
            == f"journey.ctx=checkout%3A{journey.id}%3A{journey.start_ns // 1000},a=1;secret,userId=%C3%A9,journey.other=kept"
        )
        full = {"baggage": "a=" + "x" * 8180}
        assert maibo.inject(dict(full)) == full
    assert maibo.stats().carriers_ignored == 1


def test_strangers_cannot_use_up_the_services_own_names():
    now = time.time_ns() // 1000
    with capture() as captured:
        for n in range(300):
            with maibo.resume(
                {"baggage": f"journey.ctx=hostile{n}:{n + 1:032x}:{now}".replace("0" * 16, "1" * 16, 1)}, ends=True
            ):
                pass
        with maibo.journey("checkout"):
            pass
    assert captured.journeys[-1].name == "checkout"
    assert len({each.name for each in captured.journeys}) == 202
    assert captured.journeys[299].name == "_other"


def test_strangers_cannot_use_up_the_services_own_tiers_and_variants_nor_push_them_out():
    now = time.time_ns() // 1000

    def resumed(name, tier):
        with maibo.resume(f"{name}:{'1' * 32}:{now}:{tier}:{tier}", ends=True):
            pass

    with capture() as captured:
        for n in range(300):
            resumed(f"hostile{n}", f"forged{n}")
        with maibo.journey("checkout", tier="vip", variant="b"):
            pass
        resumed("checkout", "vip")
        resumed("checkout", "b")
    seen = [(each.name, each.tier, each.variant) for each in captured.journeys]
    assert seen[299:] == [
        ("_other", "_other", "_other"),
        ("checkout", "vip", "b"),
        ("checkout", "vip", "_other"),
        ("checkout", "_other", "b"),
    ]
    assert [len({each[n] for each in seen}) for n in (1, 2)] == [52, 52], "50 of strangers, our own, and _other"


def test_a_baggage_header_without_the_journey_is_everybody_elses():
    header = (
        "a=1;secret, journey.ctx=x:1,journey%2Ectx=y, journey.tier = vip,+journey.variant=b,journey.other=kept,,b=2"
    )
    assert carriers.without_journey(header) == "a=1;secret,journey.other=kept,b=2"
    assert carriers.without_journey("journey.ctx=x") == ""


@given(
    st.lists(st.sampled_from(["journey.ctx", "journey%2etier", "%6Aourney.variant", " ", "=", ",", ";", "a", "+"])).map(
        "".join
    )
)
def test_opentelemetry_finds_no_journey_where_it_was_taken_out(header):
    from opentelemetry import baggage

    context = W3CBaggagePropagator().extract({"baggage": carriers.without_journey(header)})
    assert not {"journey.ctx", "journey.tier", "journey.variant"} & set(baggage.get_all(context))


def test_a_journey_that_is_not_declared_here_travels_on_under_its_own_name():
    now = time.time_ns() // 1000
    header = f"journey.ctx=returns:{'a' * 32}:{now}"
    with (
        capture(catalogue=["checkout"]) as captured,
        maibo.resume({"baggage": header}) as journey,
        maibo.step("payment"),
    ):
        assert journey.carrier() == {"baggage": header.replace(":", "%3A")}
    assert captured.steps[0].journey == "_undeclared"
