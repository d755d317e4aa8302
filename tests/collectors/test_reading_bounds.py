"""A body that a decoder falls over is refused for good: told to come again with it, its sender would do so for ever."""

import time

import pytest

from maibo_collectors.otlp.body import BodyMalformed, BodyTooLarge, Encoding
from maibo_collectors.otlp.decoding.rules import Condition, Rule, Rules
from maibo_collectors.otlp.receiving.reading import CountingReader
from maibo_collectors.otlp.receiving.receive import _read
from maibo_collectors.otlp.segment import Kind

RULES = Rules(logs=(Rule(journey="j", attributes=(Condition("a", ("*",)),), duration="d"),))


def nested(depth: int) -> str:
    value = '{"stringValue":"x"}'
    for _ in range(depth):
        value = f'{{"kvlistValue":{{"values":[{{"key":"k","value":{value}}}]}}}}'
    return value


@pytest.mark.parametrize("depth", [40, 90, 5_000])
def test_a_deeply_nested_record_is_malformed(depth):
    record = f'{{"timeUnixNano":"{time.time_ns()}","body":{nested(depth)}}}'
    body = f'{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{record}]}}]}}]}}'.encode()
    with pytest.raises(BodyMalformed):
        _read(CountingReader(RULES), Kind.LOGS_JSON, body, body, Encoding.IDENTITY, time.time_ns())


def test_a_body_that_takes_too_much_memory_is_too_large(monkeypatch):
    reader = CountingReader(RULES)

    def read(*_: object, **__: object) -> object:
        raise MemoryError

    monkeypatch.setattr(reader, "read", read)
    with pytest.raises(BodyTooLarge, match="smaller batches"):
        _read(reader, Kind.LOGS_JSON, b"{}", b"{}", Encoding.IDENTITY, time.time_ns())
