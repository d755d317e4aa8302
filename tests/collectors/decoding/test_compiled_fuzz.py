"""Mutants of real bodies: what protobuf accepts, both decoders count alike; what it rejects, the scanner survives as well.

`MAIBO_FUZZ_MUTANTS` says how many (`make soak` takes a million).
"""

import os
import random
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from google.protobuf.descriptor import FieldDescriptor
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from maibo_collectors.otlp.body import BodyMalformed
from maibo_collectors.otlp.decoding.classify import Classifier
from maibo_collectors.otlp.decoding.traces import PythonTraces, validate

MUTANTS = int(os.environ.get("MAIBO_FUZZ_MUTANTS", "20000"))
BATCH = 2000
NOW_NS = 1_800_000_005_000_000_000
HERE = Path(__file__).parent
SCANNER = HERE.parents[2] / "collectors" / "fast" / "maibo_collectors_fast"
SANITIZED = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
SMALL = ("-DCHUNK=5", "-DTEXTS_LIMIT=40", "-DSHAPES_LIMIT=9", "-DBYTES_LIMIT=4000")
"""Limits that bodies of a few spans meet."""

pytestmark = pytest.mark.timeout(120 + MUTANTS // 250)


@pytest.fixture(scope="module")
def sanitized(tmp_path_factory, compiler):
    """``sanitized(odds)``: a process that scans what is written to it, in which no byte is read or written that is not there."""
    program = tmp_path_factory.mktemp("fuzz") / "scan"
    command = [
        *compiler,
        "-std=c11",
        "-Wall",
        "-Wextra",
        "-Werror",
        *SANITIZED,
        *SMALL,
        "-I",
        SCANNER,
        "-o",
        program,
        HERE / "fuzz_scan.c",
    ]
    subprocess.run(command, check=True, timeout=100)
    return lambda odds=0: Sanitized(program, odds)


class Sanitized:
    def __init__(self, program, odds):
        environment = {
            "ASAN_OPTIONS": "allocator_may_return_null=1:detect_leaks=1",
            "UBSAN_OPTIONS": "print_stacktrace=1",
        }
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        self.process = subprocess.Popen([program, str(odds)], env=environment, **pipes)
        self.fed = 0

    def feed(self, bodies):
        try:
            for body in bodies:
                self.process.stdin.write(len(body).to_bytes(4, "little") + body)
                self.fed += 1
            self.process.stdin.flush()
        except BrokenPipeError:
            self.finish()

    def finish(self):
        out, err = self.process.communicate(timeout=100 + MUTANTS // 1000)
        assert self.process.returncode == 0, f"after {self.fed} bodies: {err.decode(errors='replace')[:5000]}"
        assert int(out) == self.fed


def test_what_protobuf_accepts_counts_as_it_does_in_python_and_what_it_rejects_does_no_harm(rules, oddly, sanitized):
    compiled = pytest.importorskip("maibo_collectors.otlp.decoding.compiled", exc_type=ImportError)
    mutator = Mutator(oddly, seed=20_260)
    python, scanner = PythonTraces(Classifier(rules)), compiled.CompiledTraces(Classifier(rules))
    child = sanitized()
    seen = Counter()
    try:
        for start in range(0, MUTANTS, BATCH):
            mutants = [mutator.next() for _ in range(min(BATCH, MUTANTS - start))]
            child.feed(mutants)
            for number, body in enumerate(mutants, start):
                try:
                    validate(body)
                except BodyMalformed:
                    assert not compiled.is_valid(body), f"mutant {number}: {body.hex()}"
                    seen["rejected"] += 1
                    continue
                seen["valid at once"] += compiled.is_valid(body)
                now = NOW_NS - number // 5000 % 2 * 10**10  # another day, now and then: the cap begins anew
                found = scanner.tally(body, received_ns=now)
                assert found == python.tally(body, received_ns=now), f"mutant {number}: {body.hex()}"
                seen["accepted"] += 1
                seen["counted"] += found.counted
    finally:
        child.finish()
    assert min(seen["accepted"], seen["rejected"]) > MUTANTS // 5, seen
    assert seen["counted"] > MUTANTS // 2, seen
    assert seen["valid at once"] > seen["accepted"] // 2, seen


def test_when_memory_is_out_the_scanner_says_so_and_goes_on(oddly, sanitized):
    mutator = Mutator(oddly, seed=4711)
    child = sanitized(20)
    try:
        child.feed([mutator.next() for _ in range(3000)])
    finally:
        child.finish()


class Mutator:
    """Ever new bodies, the same for the same seed."""

    def __init__(self, oddly, *, seed):
        self.random = random.Random(seed)
        self.oddly = oddly
        self.bodies = [_body(self.random) for _ in range(60)]

    def next(self):
        rng = self.random
        body = rng.choice(self.bodies)
        if rng.random() < 0.3:
            body = self.oddly(body, rng.getrandbits(32))
        for _ in range(rng.choice([1, 1, 2, 4])):
            if rng.random() < 0.6:
                body = self._rebuilt(body, ExportTraceServiceRequest.DESCRIPTOR)
            else:
                body = self._damaged(body)
        return body

    def _rebuilt(self, raw, descriptor):
        """A change somewhere inside, with the lengths of all that is around it mended."""
        rng = self.random
        try:
            fields = list(_fields(raw))
        except (IndexError, KeyError):
            return self._damaged(raw)
        inner = [n for n, (number, wire, _) in enumerate(fields) if wire == 2 and _message(descriptor, number)]
        if inner and rng.random() < 0.85:
            which = rng.choice(inner)
            number, wire, content = fields[which]
            fields[which] = number, wire, self._rebuilt(content, _message(descriptor, number))
        elif fields:
            self._changed(fields)
        return b"".join(self._written(*each) for each in fields)

    def _changed(self, fields):
        rng = self.random
        which = rng.randrange(len(fields))
        number, wire, content = fields[which]
        change = rng.randrange(8)
        if change == 0:
            fields.insert(rng.randrange(len(fields) + 1), fields[which])
        elif change == 1:
            fields.insert(rng.randrange(len(fields)), fields.pop(which))
        elif change == 2:
            del fields[which]
        elif change == 3:
            fields[which] = rng.choice([1, 2, 3, 5, 6, 7, 8, 9, 15, 16, 2**29 - 1]), wire, content
        elif change == 4:
            fields[which] = number, 0, rng.choice([0, 1, 2, 2**31, 2**32 + 2, 2**63, 2**64 - 1])
        elif change == 5:
            fields[which] = (
                number,
                1,
                rng.choice([bytes(8), b"\xff" * 8, (NOW_NS - rng.randrange(10**10)).to_bytes(8, "little")]),
            )
        elif change == 6 and wire == 2:
            fields[which] = number, 2, self._damaged(content)
        else:
            fields[which] = number, 3, b"".join(self._written(*each) for each in fields[:which])

    def _written(self, number, wire, content):
        rng = self.random
        tag = _varint(number << 3 | wire, padding=rng.choice([0] * 40 + [1, 3]))
        if wire == 0:
            return tag + _varint(content, padding=rng.choice([0] * 20 + [9]))
        if wire == 2:
            return tag + _varint(len(content), padding=rng.choice([0] * 40 + [2, 4])) + content
        return tag + content + (_varint(number << 3 | 4) if wire == 3 else b"")

    def _damaged(self, raw):
        rng = self.random
        body = bytearray(raw)
        at = rng.randrange(len(body) + 1)
        change = rng.randrange(8)
        if not body or change == 0:
            body[at:at] = rng.randbytes(rng.randrange(1, 5))
        elif change == 1:
            del body[at:]
        elif change == 2:
            del body[at : at + rng.choice([1, 2, 8, 50])]
        elif change == 3:
            other = rng.choice(self.bodies)
            start = rng.randrange(len(other))
            body[at : at + rng.choice([0, 8, 100])] = other[start : start + rng.choice([8, 100])]
        else:
            at = min(at, len(body) - 1)
            if change == 4:
                body[at] ^= 1 << rng.randrange(8)
            elif change == 5:  # a length that lies, as likely as not
                body[at] = (body[at] + rng.choice([-1, 1, 5, 64])) % 256
            elif change == 6:  # a varint that lies
                body[at : at + 1] = rng.choice(
                    [b"\xff" * 9 + b"\x01", b"\xff" * 12, b"\x80" * 3 + b"\0", b"\xff\xff\xff\xff\x0f"]
                )
            else:
                body[at] = rng.choice([0, 1, 2, 3, 4, 0x0A, 0x12, 0x4A, 0x7F, 0x80, 0xFF])
        return bytes(body)


def _message(descriptor, number):
    """The type of a field that is a message, else None."""
    field = descriptor.fields_by_number.get(number)
    return field.message_type if field is not None and field.type == FieldDescriptor.TYPE_MESSAGE else None


def _varint(value, *, padding=0):
    out = bytearray()
    while value > 127 or padding > 0:
        out.append(value & 127 | 128)
        value, padding = value >> 7, padding - 1
    return bytes([*out, value])[:10]


def _read_varint(raw, at):
    value = shift = 0
    while raw[at] > 127:
        value |= (raw[at] & 127) << shift
        at, shift = at + 1, shift + 7
    return value | raw[at] << shift, at + 1


def _fields(raw):
    """Raises IndexError or KeyError where there are none (and for groups)."""
    at = 0
    while at < len(raw):
        tag, at = _read_varint(raw, at)
        if tag & 7 == 0:
            content, at = _read_varint(raw, at)
            content %= 2**64
        else:
            size, at = _read_varint(raw, at) if tag & 7 == 2 else ({1: 8, 5: 4}[tag & 7], at)
            if size > len(raw) - at:
                raise IndexError(at)
            content, at = raw[at : at + size], at + size
        yield tag >> 3, tag & 7, content


VALUES = {
    "journey.name": ["checkout", "search", "refund", "", 7],
    "journey.step": ["", "pay", "cart"],
    "journey.outcome": ["success", "failure", "failure", "abandoned", "?"],
    "journey.failure_reason": ["declined", "timeout", "x" * 300, "\0"],
    "journey.tier": ["gold", True, 1.5],
    "journey.variant": ["a", "b"],
    "journey.started": [True, False],
    "journey.start_time": [NOW_NS // 1000 - 10**9, 1, -5, "soon"],
    "http.route": ["/pay", "/checkout", "/x"],
    "http.status": [200, 500],
    "error.type": ["timeout"],
    "journey.id": ["0123456789abcdef"],
}


def _body(rng):
    """A request of up to 8 spans that the rules of these tests have much to say about."""
    request = ExportTraceServiceRequest()
    for _ in range(rng.choice([1, 1, 1, 2])):
        of_resource = request.resource_spans.add()
        for key in rng.sample(["service.name", "service.version", "cloud.provider", "host.name"], rng.randrange(5)):
            of_resource.resource.attributes.add(key=key).value.string_value = rng.choice(["shop", "ship", "1"])
        for _ in range(rng.choice([1, 1, 2])):
            of_scope = of_resource.scope_spans.add()
            of_scope.scope.name = "maibo"
            for _ in range(rng.randrange(1, 5)):
                _add_span(of_scope.spans.add(), rng)
    return request.SerializeToString()


def _add_span(span, rng):
    span.trace_id, span.span_id = rng.randbytes(rng.choice([16, 16, 16, 4])), rng.randbytes(8)
    span.name = rng.choice(["GET /", "pay it now", "pay now"])
    span.kind = rng.randrange(6)
    span.trace_state = rng.choice(["", "", "ot=th:8", "a=b,ot=rv:1;th:fd70a4", "ot=th:ffffffff"])
    span.end_time_unix_nano = NOW_NS - rng.randrange(10 ** rng.choice([9, 10, 12]))
    span.start_time_unix_nano = span.end_time_unix_nano - rng.choice([1, 1, 1, -1]) * rng.randrange(
        10 ** rng.randrange(4, 12)
    )
    if rng.random() < 0.3:
        span.status.code = 2
        span.status.message = "no"
    for key in rng.sample(sorted(VALUES), rng.randrange(6)) + ["journey.name"] * (rng.random() < 0.6):
        value, content = span.attributes.add(key=key).value, rng.choice(VALUES[key])
        kinds = {bool: "bool_value", int: "int_value", float: "double_value", str: "string_value"}
        setattr(value, kinds[type(content)], content)
