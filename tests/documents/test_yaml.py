"""YAML 1.2's core schema, positions, and syntax errors that leave the rest of the file readable."""

import json
from decimal import Decimal

import pytest

from maibo_slo.documents.problems import Report
from maibo_slo.documents.yaml import List, Map, Scalar, parse


def read(text: str | bytes):
    report = Report()
    nodes = parse(text if isinstance(text, bytes) else text.encode(), file="f", report=report)
    return nodes, [str(problem) for problem in report.problems()]


def plain(node):
    if isinstance(node, Map):
        return {key: plain(value) for key, value in node.values.items()}
    return [plain(item) for item in node.items] if isinstance(node, List) else node.value


def value(text: str | bytes):
    nodes, problems = read(text)
    assert problems == []
    (node,) = nodes
    return plain(node)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2022-01-01 12:00:00", "2022-01-01 12:00:00"),
        ("2022-01-01", "2022-01-01"),
        ("12:30:00", "12:30:00"),
        ("on", "on"),
        ("off", "off"),
        ("yes", "yes"),
        ("No", "No"),
        ("y", "y"),
        ("true", True),
        ("FALSE", False),
        ("tRUE", "tRUE"),
        ("~", None),
        ("Null", None),
        ('""', ""),
        ("'null'", "null"),
        ("'1'", "1"),
        ("!!str 1", "1"),
        ("1e-3", Decimal("0.001")),
        ("1E3", Decimal(1000)),
        (".5", Decimal("0.5")),
        ("5.", Decimal(5)),
        ("-0.0", Decimal("-0.0")),
        ("+12", Decimal(12)),
        ("010", Decimal(10)),
        ("0o10", Decimal(8)),
        ("0x1F", Decimal(31)),
        ("0b1", "0b1"),
        ("1_000", "1_000"),
        (".inf", Decimal("Infinity")),
        ("-.INF", Decimal("-Infinity")),
        ("=", "="),
        ("0.1", Decimal("0.1")),
        ("99.99999999999999", Decimal("99.99999999999999")),
    ],
)
def test_a_scalar_is_what_yaml_1_2_says(text, expected):
    found = value(f"a: {text}")["a"]
    assert found == expected
    assert type(found) is type(expected)


def test_nan_is_a_number_and_not_text():
    assert value("a: .nan")["a"].is_nan()


def test_keys_are_text_as_written():
    assert value("on: 1\ntrue: 2\n12:30: 3\n1.10: 4") == {"on": 1, "true": 2, "12:30": 3, "1.10": 4}


def test_every_value_and_key_knows_its_place():
    ((document,), _) = read("# comment\na:\n  - x\n  - {b: é, c: 1}\n")
    items = document.values["a"]
    assert document.keys["a"][1:] == (2, 1)
    assert items.items[0] == Scalar(("f", 3, 5), "x", "x")
    assert items.items[1].keys["c"][1:] == (4, 12)
    assert items.items[1].values["c"].at[1:] == (4, 15)


def test_json_is_read_too_with_tabs_and_characters_beyond_the_first_plane():
    document = {"name": "shop", "list": [1, True, None, {"a": "/ \\ud83d 😀 中"}], "empty": {}}
    for text in (
        json.dumps(document),
        json.dumps(document, indent="\t", ensure_ascii=False),
        json.dumps(document, indent=1),
    ):
        assert value(text) == document


def test_several_documents_are_read_and_empty_ones_are_nothing():
    nodes, problems = read("%YAML 1.2\n---\na: 1\n---\n---\n# nothing\n---\nb: 2\n...\n")
    assert problems == []
    assert [plain(node) for node in nodes] == [{"a": 1}, None, None, {"b": 2}]


def test_a_syntax_error_in_each_of_two_documents_is_told_and_the_others_are_read():
    nodes, problems = read("a: 1\n---\nb: [1\n---\nc: 2\n---\nd: 'x\n---\ne: 3\n")
    assert [plain(node) for node in nodes] == [{"a": 1}, {"c": 2}, {"e": 3}]
    assert problems == [
        "f:4:1: error: not valid YAML: did not find expected ',' or ']'",
        "f:8:1: error: not valid YAML: found unexpected end of stream (close the quote or bracket)",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a:\n\tb: 1", "f:2:1: error: a tab cannot indent YAML (indent with spaces)"),
        ("a: b: c", "f:1:5: error: not valid YAML: mapping values are not allowed in this context (quote text that contains ': ', and indent fields of one mapping alike)"),
        ("a: @x", "f:1:4: error: not valid YAML: found character that cannot start any token (quote text that begins with @, ` or %)"),
        ("a: 1\nb:\n  c: 2\na: 3", "f:4:1: error: key 'a' is written twice in this mapping, first at line 1 (keep one of them)"),
        ("a: &x {b: 1}\nc: {<<: *x}", "f:2:5: error: merge keys (<<) are not part of YAML 1.2 (write the fields out)"),
        ("? [a]\n: 1", "f:1:3: error: a key must be text, not a list or mapping"),
        ("a: *x", "f:1:4: error: alias *x has no anchor before it (write &x where the value stands first)"),
        ("a: &a [*a]", "f:1:8: error: alias *a has no anchor before it (write &a where the value stands first)"),
        ("a: 1\n---\nb: *x\n---\nx: &x 1", "f:3:4: error: alias *x has no anchor before it (write &x where the value stands first)"),
        ("a: !!python/object:os.system x", "f:1:4: error: tag 'tag:yaml.org,2002:python/object:os.system' is not allowed (remove it; quote what is meant as text)"),
        ("a: !!timestamp 2022-01-01", "f:1:4: error: tag 'tag:yaml.org,2002:timestamp' is not allowed (remove it; quote what is meant as text)"),
        (b"a: 1\nb: \0", "f:2:4: error: character U+0000 is not allowed in YAML (remove it)"),
        ("a: \x1b[31m", "f:1:4: error: character U+001B is not allowed in YAML (remove it)"),
        (b"a: 1\nb: \xe9", "f:2:1: error: the file is not UTF-8 (byte 0xe9) (save it as UTF-8)"),
        ("a: 1".encode("utf-16"), "f:1:1: error: the file is UTF-16 (save it as UTF-8)"),
        ('{"a": "\\ud83d"}', "f:1:10: error: not valid YAML: found invalid Unicode character escape code"),
    ],
)  # fmt: skip
def test_what_is_not_yaml_is_told_with_line_and_column(text, problem):
    assert read(text)[1] == [problem]


def test_a_byte_order_mark_is_no_part_of_the_text():
    nodes, problems = read(b"\xef\xbb\xbfa: 1")
    assert problems == []
    assert nodes[0].keys["a"][1:] == (1, 1)


def test_windows_line_ends_do_not_move_lines():
    nodes, problems = read("a: 1\r\n---\r\nb: [\r\n---\r\nc: 2\r\n")
    assert [plain(node) for node in nodes] == [{"a": 1}, {"c": 2}]
    assert problems[0].startswith("f:4:1: ")


def test_an_alias_stands_for_its_value():
    assert value("a: &x [1, 2]\nb: *x") == {"a": [1, 2], "b": [1, 2]}
