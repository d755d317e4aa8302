"""The compiled scanner counts exactly what the pure Python decoder counts: down to the order of rows, whatever comes."""

import ctypes
import os
import random
import subprocess
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from maibo_collectors.otlp.body import BodyMalformed
from maibo_collectors.otlp.decoding.classify import Classifier
from maibo_collectors.otlp.decoding.rules import Condition, Rule, Rules
from maibo_collectors.otlp.decoding.tally import encode
from maibo_collectors.otlp.decoding.traces import PythonTraces, validate
from maibo_slo.store.edges import EDGES_NS, bin_of

try:
    from maibo_collectors.otlp.decoding import compiled
    from maibo_collectors.otlp.decoding.compiled import CompiledTraces, is_valid
except ImportError as why:  # where it should be here, test_compiled_build fails
    pytest.skip(f"the compiled scanner is not here: {why}", allow_module_level=True)

SOURCE = Path(__file__).parents[3] / "collectors" / "fast" / "maibo_collectors_fast" / "scan.c"
NOW_NS = 1_800_000_005_000_000_000
DAY_NS = 86_400 * 10**9
CHECKOUT = {"journey.name": "checkout"}
SMALL = ("-DCHUNK=3", "-DTEXTS_LIMIT=12", "-DSHAPES_LIMIT=4", "-DBYTES_LIMIT=3000")


@pytest.fixture(scope="session")
def small_scanner(tmp_path_factory: pytest.TempPathFactory, compiler: list[str]) -> ctypes.CDLL:
    """One that remembers next to nothing: it forgets in the middle of bodies, again and again."""
    library = tmp_path_factory.mktemp("scanner") / "small.so"
    flags = ("-std=c11", "-O1", "-fPIC", "-shared", "-Wall", "-Wextra", "-Werror", *SMALL)
    subprocess.run([*compiler, *flags, "-o", library, SOURCE], check=True, timeout=100)
    return compiled.load(library)


@pytest.fixture
def same(otlp_request):
    """``same(span, …, rules=…)``: the tally that both decoders make of a body with these spans, or of a body."""

    def check(*spans, rules=None, received_ns=NOW_NS, body=None):
        raw = otlp_request(*spans, now_ns=NOW_NS).SerializeToString() if body is None else body
        validate(raw)
        given_rules = rules or Rules()
        found = CompiledTraces(Classifier(given_rules)).tally(raw, received_ns=received_ns)
        assert found == PythonTraces(Classifier(given_rules)).tally(raw, received_ns=received_ns)
        return found

    return check


# --- equal


@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_every_request_counts_as_it_does_in_python(requests, rules, small_scanner, data):
    python = PythonTraces(Classifier(rules))
    others = CompiledTraces(Classifier(rules)), CompiledTraces(Classifier(rules), scanner=small_scanner)
    for day in (0, 0, DAY_NS):
        body = data.draw(requests).SerializeToString()
        expected = python.tally(body, received_ns=NOW_NS + day)
        for other in others:
            found = other.tally(body, received_ns=NOW_NS + day)
            assert found == expected
            assert encode(found) == encode(expected)


@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_what_is_written_oddly_counts_as_it_does_in_python(requests, rules, small_scanner, oddly, data):
    body = oddly(data.draw(requests).SerializeToString(), data.draw(st.integers(0, 2**32)))
    validate(body)
    expected = PythonTraces(Classifier(rules)).tally(body, received_ns=NOW_NS)
    assert CompiledTraces(Classifier(rules)).tally(body, received_ns=NOW_NS) == expected
    assert CompiledTraces(Classifier(rules), scanner=small_scanner).tally(body, received_ns=NOW_NS) == expected


def test_a_large_body_in_which_every_span_is_new_counts_as_it_does_in_python(otlp_request, small_scanner):
    rng = random.Random(7)
    spans = [
        {
            "journey.name": f"j{rng.randrange(30)}",
            "journey.step": rng.choice(["", "pay"]),
            "journey.outcome": rng.choice(["success", "failure", "abandoned", "?"]),
            "journey.failure_reason": f"reason {rng.randrange(50)}",
            "journey.tier": f"{each}" + "x" * rng.randrange(300),
            "journey.variant": rng.randrange(3),
            "duration": rng.randrange(10 ** rng.randrange(1, 17)),
        }
        for each in range(25_000)
    ]
    body = otlp_request(*spans, now_ns=NOW_NS).SerializeToString()
    limits = Rules(series_limit=20, journey_limit=20, reason_limit=10)
    expected = PythonTraces(Classifier(limits)).tally(body, received_ns=NOW_NS)
    assert CompiledTraces(Classifier(limits)).tally(body, received_ns=NOW_NS) == expected
    assert CompiledTraces(Classifier(limits), scanner=small_scanner).tally(body, received_ns=NOW_NS) == expected
    assert expected.total == 25_000


def test_bins_are_those_of_the_edges():
    near = {edge + step for edge in (0, *EDGES_NS) for step in (-2, -1, 0, 1, 2) if edge + step >= 0}
    drawn = {random.Random(1).randrange(2**bits) for bits in range(1, 64) for _ in range(100)}
    wrong = [each for each in near | drawn | {2**63 - 1} if compiled.SCANNER.scan_bin_of(each) != bin_of(each)]
    assert wrong == []


# --- each on its own


@pytest.mark.parametrize(
    ("span", "reason"),
    [
        ({"journey.name": ""}, "empty journey name"),
        ({"journey.outcome": "great"}, "unknown outcome 'great'"),
        ({"end": NOW_NS - DAY_NS - 1}, "ends more than a day from now, or began more than 35 days ago"),
        ({"end": NOW_NS + DAY_NS + 1}, "ends more than a day from now, or began more than 35 days ago"),
        ({"journey.start_time": 1}, "ends more than a day from now, or began more than 35 days ago"),
        ({"journey.start_time": 2**63 - 1}, "ends more than a day from now, or began more than 35 days ago"),
    ],
)
def test_what_cannot_be_counted_is_rejected_for_the_same_reason(same, span, reason):
    found = same(CHECKOUT, CHECKOUT | span, CHECKOUT | span, {})
    assert (found.rejected, found.counted, found.ignored, found.total) == ({reason: 2}, 1, 1, 4)


@pytest.mark.parametrize(
    "digits", ["0", "8", "80", "5", "c", "fd70a4", "f" * 14, "f" * 15, "F", "", "8;rv:1", "8 ", "fffff"]
)
@pytest.mark.parametrize(
    "state",
    [
        "ot=th:{}",
        "a=b,\t ot=rv:{}1;th:{} ,c=d",
        "ot=x;th:{},ot=th:4",
        "xot=th:{}",
        "ot=",
        "ot=ath:{};th:c",
        ",,ot=th:{}\u00a0",
    ],
)
def test_sampled_spans_stand_for_as_many(otlp_request, same, digits, state):
    request = otlp_request(*[CHECKOUT] * 40, CHECKOUT | {"duration": -5}, now_ns=NOW_NS)
    for number, span in enumerate(request.resource_spans[0].scope_spans[0].spans):
        span.trace_state = state.format(digits, digits)
        if number % 5 == 0:
            span.span_id = [b"", b"\x80", b"\xff" * 3, b"\x7f\xff\xff\xff", b"\xff" * 20][number // 5 % 5]
    found = same(body=request.SerializeToString())
    assert found.total == 41


def test_a_span_that_says_it_was_kept_for_certain_counts_once_and_is_no_sample(otlp_request, same, plain):
    request = otlp_request(CHECKOUT, now_ns=NOW_NS)
    (span,) = request.resource_spans[0].scope_spans[0].spans
    span.trace_state = "ot=th:0"
    found = plain(same(body=request.SerializeToString()))
    assert list(found["cells"].values()) == [1]
    assert (found["sampled"], found["sampled spans"]) == ({}, {})


def varint(value, *, padding=0):
    out = bytearray()
    while value > 127 or padding > 0:
        out.append(value & 127 | 128)
        value, padding = value >> 7, padding - 1
    return bytes([*out, value])


def field(number, content, *, padding=0):
    """A field with a message, a text or bytes; with an integer, a varint."""
    if isinstance(content, int):
        return varint(number << 3, padding=padding) + varint(content)
    return varint(number << 3 | 2, padding=padding) + varint(len(content), padding=padding) + content


def fixed(number, value):
    return varint(number << 3 | 1) + value.to_bytes(8, "little")


def group(number, content):
    return varint(number << 3 | 3) + content + varint(number << 3 | 4)


def text(content):
    return field(1, content)


def pair(key, value):
    return field(9, field(1, key) + field(2, value))


NAME = pair(b"journey.name", text(b"checkout"))
TIMES = fixed(7, NOW_NS - 10**9) + fixed(8, NOW_NS)
START = NOW_NS // 1000 - 10**9


def request_of(span, *, resource=b"", after=b""):
    return field(1, resource + field(2, field(2, span)) + after)


@pytest.mark.parametrize(
    "span",
    [
        pytest.param(
            NAME + field(9, field(2, text(b"pay")) + field(1, b"journey.step")), id="the value before its key"
        ),
        pytest.param(NAME + field(9, field(1, b"journey.step")), id="no value"),
        pytest.param(NAME + field(9, field(2, text(b"pay"))), id="no key"),
        pytest.param(NAME + field(9, b""), id="an attribute of nothing"),
        pytest.param(NAME + pair(b"journey.step", b""), id="an empty value"),
        pytest.param(field(9, field(1, b"x") + field(2, text(b"checkout")) + field(1, b"journey.name")), id="two keys"),
        pytest.param(
            field(9, field(1, b"journey.name") + field(2, text(b"a")) + field(1, b"x")), id="a key that goes away"
        ),
        pytest.param(pair(b"journey.name", text(b"a")[:3]) + NAME, id="a key twice"),
        pytest.param(
            field(9, field(1, b"journey.name") + field(2, text(b"a")) + field(2, field(3, 7))),
            id="a value in pieces, another kind",
        ),
        pytest.param(
            field(9, field(1, b"journey.name") + field(2, text(b"a")) + field(2, b"")),
            id="a value in pieces, the last one empty",
        ),
        pytest.param(pair(b"journey.name", text(b"a") + text(b"b")), id="two texts in a value"),
        pytest.param(pair(b"journey.name", text(b"a") + field(5, b"")), id="a text, then an array"),
        pytest.param(pair(b"journey.name", field(3, 2**64 - 1)), id="a negative integer"),
        pytest.param(pair(b"journey.name", field(2, 2**63)), id="a boolean that is neither"),
        pytest.param(pair(b"journey.name", fixed(4, 0x7FF8 << 48)), id="not a number"),
        pytest.param(pair(b"journey.name", field(3, b"7") + field(1, 7)), id="values of the wrong wire types"),
        pytest.param(
            NAME + pair(b"journey.start_time", field(3, START)) + pair(b"journey.start_time", text(b"x")),
            id="start twice",
        ),
        pytest.param(
            NAME + field(9, field(1, b"journey.start_time") + field(2, field(3, START)) + field(2, b"")),
            id="start in pieces",
        ),
        pytest.param(
            NAME + pair(b"journey.start_time", field(3, START) + field(2, 1)), id="a start time, then a boolean"
        ),
        pytest.param(NAME + pair(b"journey.start_time", field(3, 2**63)), id="a negative start time"),
        pytest.param(NAME + field(9, field(1, b"journey.start_time")), id="a start time without value"),
        pytest.param(NAME + field(15, field(3, 2)) + field(15, field(2, b"x")), id="a status in pieces"),
        pytest.param(NAME + field(15, field(3, 2) + field(3, 1)), id="a status code twice"),
        pytest.param(NAME + field(15, field(3, 2**32 + 2)), id="a status code of more than 32 bits"),
        pytest.param(
            NAME + field(15, group(3, field(3, 2)) + fixed(3, 2)),
            id="a status code in a group, and of another wire type",
        ),
        pytest.param(NAME + field(6, 2**64 - 1), id="a negative kind"),
        pytest.param(NAME + field(6, 2**32 + 2), id="a kind of more than 32 bits"),
        pytest.param(
            NAME + field(7, 1) + field(8, b"12345678") + field(9, 3), id="known fields of the wrong wire types"
        ),
        pytest.param(NAME + group(9, field(1, b"journey.step")) + group(77, group(78, b"") + field(2, 3)), id="groups"),
        pytest.param(NAME + group(77, field(0, b"x") + group(78, field(0, 5))), id="number 0 in a group"),
        pytest.param(
            field(9, field(1, b"journey.name", padding=4) + field(2, text(b"a"), padding=3), padding=2),
            id="long lengths",
        ),
        pytest.param(field(1, b"t" * 16) + field(1, b"u" * 16) + field(2, b"s" * 8) + NAME, id="an id twice"),
        pytest.param(fixed(8, 1) + NAME, id="an end twice"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_odd_spans_count_as_they_do_in_python(same, rules, reference, plain, span):
    for body in (
        request_of(span + TIMES),
        request_of(TIMES + span),
        request_of(span + TIMES) + request_of(NAME + TIMES) + request_of(span + TIMES),
    ):
        found = same(body=body, rules=rules)
        assert plain(found) == reference(rules).tally(ExportTraceServiceRequest.FromString(body))


def test_a_value_that_is_an_index_of_a_text_has_no_text(same):
    assert same(body=request_of(pair(b"journey.name", field(8, 5)) + TIMES)).rejected == {"empty journey name": 1}


def resource(*attributes):
    return field(1, b"".join(field(1, field(1, key) + field(2, text(value))) for key, value in attributes))


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(request_of(NAME + TIMES, after=resource((b"service.name", b"shop"))), id="after its spans"),
        pytest.param(
            request_of(
                NAME + TIMES,
                resource=resource((b"service.name", b"a"), (b"service.version", b"1")),
                after=resource((b"service.name", b"b"), (b"service.name", b"c")),
            ),
            id="in pieces",
        ),
        pytest.param(request_of(NAME + TIMES, resource=field(1, b"")), id="empty"),
        pytest.param(
            request_of(NAME + TIMES, resource=group(1, field(1, b"x")) + field(1, 5)), id="of another wire type"
        ),
        pytest.param(
            request_of(NAME + TIMES, resource=resource((b"service.name", b"a"))) + request_of(NAME + TIMES),
            id="of others only",
        ),
        pytest.param(field(1, resource((b"service.name", b"a"))) + field(1, b"") + field(9, b"x"), id="without spans"),
    ],
)
def test_odd_resources_count_as_they_do_in_python(same, rules, reference, plain, body):
    found = same(body=body, rules=rules)
    assert plain(found) == reference(rules).tally(ExportTraceServiceRequest.FromString(body))


def test_keys_of_rules_may_be_anything(same):
    keys = ["", "a", "\0", "ключ", "x" * 300, "journey.start_time", "12345678", "123456789"]
    rules = Rules(
        spans=tuple(Rule(journey=f"j{n}", attributes=(Condition(key, ("*",)),)) for n, key in enumerate(keys))
    )
    found = same(*({key: 5} for key in keys), dict.fromkeys(keys, 1), rules=rules)
    assert found.counted >= len(keys) - 1


# --- what is valid


def accepted(body):
    try:
        validate(body)
    except BodyMalformed:
        return False
    return True


@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_requests_are_valid_at_once(requests, data):
    request = data.draw(requests)
    request.resource_spans.add(schema_url="x").scope_spans.add().spans.add().links.add(trace_state="结").attributes.add(
        key="k"
    )
    assert is_valid(request.SerializeToString())


def strings_and_messages(descriptor, path=(), seen=()):
    """Every field of every message in a request: the numbers on the way to it, and what it is."""
    for each in descriptor.fields:
        yield (*path, each.number), each
        if each.type == each.TYPE_MESSAGE and each.message_type.full_name not in seen:
            yield from strings_and_messages(
                each.message_type, (*path, each.number), (*seen, each.message_type.full_name)
            )


def test_every_text_of_every_message_is_looked_at():
    found = list(strings_and_messages(ExportTraceServiceRequest.DESCRIPTOR))
    assert len(found) > 60
    for path, described in found:
        for content in (b"\xff\xfe", b"ok", b"", b"\x0a\x05ab", "结".encode()):
            body = content
            for number in reversed(path):
                body = field(number, body)
            assert is_valid(body) == accepted(body), (described.full_name, content)


@given(
    content=st.binary(max_size=4) | st.text(max_size=12).map(str.encode) | st.binary(max_size=20), cut=st.integers(0, 3)
)
@settings(max_examples=1000, deadline=None)
def test_text_is_valid_when_it_is_utf8(content, cut):
    body = request_of(field(5, content[: len(content) - cut]))
    assert is_valid(body) == accepted(body)


def test_text_is_valid_when_it_is_utf8_at_every_bound():
    points = (0x7F, 0x80, 0x7FF, 0x800, 0xD7FF, 0xD800, 0xDFFF, 0xE000, 0xFFFF, 0x10000, 0x10FFFF)
    texts = [chr(point).encode(errors="surrogatepass") for point in points]
    texts += [
        b"\xc0\x80",
        b"\xc1\xbf",
        b"\xe0\x9f\xbf",
        b"\xf0\x8f\xbf\xbf",
        b"\xf4\x90\x80\x80",
        b"\xf5\x80\x80\x80",
        b"\x80",
        b"\xff",
    ]
    for each in texts:
        for around in (b"", b"1234567", b"12345678"):
            for content in (each, around + each, each + around, each[:-1] + around):
                body = request_of(field(5, content))
                assert is_valid(body) == accepted(body), content


@pytest.mark.parametrize("depth", [20, 3000])
def test_what_is_nested_deeply_is_left_to_the_other_parser(depth):
    value = b""
    for _ in range(depth):
        value = field(5, field(1, value))  # AnyValue.array_value.values
    assert not is_valid(request_of(pair(b"k", value)))
    assert is_valid(request_of(pair(b"k", field(5, field(1, b"")))))


# --- what is remembered


def test_a_new_day_and_new_rules_judge_anew(otlp_request):
    def body(tier):
        return otlp_request(CHECKOUT | {"journey.tier": tier}, now_ns=NOW_NS).SerializeToString()

    classifier = Classifier(Rules(series_limit=1))
    decoder = CompiledTraces(classifier)
    assert decoder.tally(body("a"), received_ns=NOW_NS).overflowed == {}
    assert decoder.tally(body("b"), received_ns=NOW_NS).overflowed == {"checkout": 1}
    assert decoder.tally(body("b"), received_ns=NOW_NS + DAY_NS // 2).overflowed == {"checkout": 1}
    assert decoder.tally(body("b"), received_ns=(NOW_NS // DAY_NS + 1) * DAY_NS).overflowed == {}
    wider = CompiledTraces(classifier.replace_rules(Rules(series_limit=2)))
    assert wider.tally(body("a"), received_ns=(NOW_NS // DAY_NS + 1) * DAY_NS).overflowed == {}


def test_what_is_no_request_is_malformed_and_leaves_the_decoder_whole(otlp_request, same):
    good = otlp_request(CHECKOUT, now_ns=NOW_NS).SerializeToString()
    decoder = CompiledTraces(Classifier(Rules()))
    for cut in range(1, len(good)):
        try:
            decoder.tally(good[:-cut], received_ns=NOW_NS)
        except BodyMalformed:
            continue
    assert decoder.tally(good, received_ns=NOW_NS) == same(body=good)


def test_text_that_is_no_utf8_is_malformed_here_too(otlp_request):
    good = otlp_request({"journey.name": "abcd"}, now_ns=NOW_NS).SerializeToString()
    decoder = CompiledTraces(Classifier(Rules()))
    for _ in range(2):
        with pytest.raises(BodyMalformed):
            decoder.tally(good.replace(b"abcd", b"ab\xff\xfe"), received_ns=NOW_NS)
        assert decoder.tally(good, received_ns=NOW_NS).counted == 1


@pytest.mark.parametrize("key", ["journey.name", "journey.tier", "service.name"])
def test_a_sender_with_ever_new_values_does_not_fill_the_memory(otlp_request, key):
    decoder = CompiledTraces(Classifier(Rules(series_limit=100, journey_limit=100)))

    def resident():
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def send(first, last):
        for number in range(first, last):
            values = [{key: f"{number}-{each}-" + "v" * 1000} for each in range(500)]
            spans = [CHECKOUT | {"journey.outcome": "failure"} | value for value in values]
            origin = values[0] if key == "service.name" else None
            decoder.tally(otlp_request(*spans, resource=origin, now_ns=NOW_NS).SerializeToString(), received_ns=NOW_NS)

    send(0, 40)
    before = resident()
    send(40, 100)  # 30 MB of new values
    assert resident() - before < 20 * 2**20


def test_a_small_body_after_a_large_one_counts_for_itself(otlp_request):
    large = [CHECKOUT | {"journey.outcome": "failure", "end": NOW_NS - 10**9 * each} for each in range(30_000)]
    bodies = [otlp_request(*spans, now_ns=NOW_NS).SerializeToString() for spans in (large, [CHECKOUT])]
    decoder, python = CompiledTraces(Classifier(Rules())), PythonTraces(Classifier(Rules()))
    for body in (*bodies, *bodies):
        assert decoder.tally(body, received_ns=NOW_NS) == python.tally(body, received_ns=NOW_NS)


def test_threads_that_share_a_decoder_wait_for_each_other(otlp_request):
    rules = Rules(series_limit=10_000)
    decoder = CompiledTraces(Classifier(rules))
    bodies = [
        otlp_request(
            *[CHECKOUT | {"journey.tier": f"{number}-{each}"} for each in range(200)], now_ns=NOW_NS
        ).SerializeToString()
        for number in range(8)
    ]
    expected = [PythonTraces(Classifier(rules)).tally(body, received_ns=NOW_NS) for body in bodies]
    wrong = []

    def work(number):
        wrong.extend(number for _ in range(20) if decoder.tally(bodies[number], received_ns=NOW_NS) != expected[number])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(bodies))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


# --- whether it is used


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("", "cannot be loaded"),
        ("int other;", "cannot be loaded"),
        ("int scan_abi(void) { return 99; }", "of another version (99"),
    ],
)
def test_a_library_that_is_broken_or_of_another_version_is_not_used_and_why_is_told(tmp_path, compiler, code, why):
    library = tmp_path / "scan.so"
    if code:
        subprocess.run(
            [*compiler, "-shared", "-fPIC", "-x", "c", "-", "-o", library], input=code.encode(), check=True, timeout=60
        )
    with pytest.raises(ImportError, match="install maibo-collectors-fast again") as caught:
        compiled.load(library)
    assert why in str(caught.value)
