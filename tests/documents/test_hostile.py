"""Whatever bytes come in: bounded time, and DocumentsError or a catalogue."""

import random
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from maibo_slo.documents import DocumentsError, load
from maibo_slo.documents.problems import MAX_PROBLEMS

EXAMPLES = Path(__file__).parents[2] / "examples"
MAPPED = EXAMPLES / "mapped" / "journeys.yaml"
STANDARD = "---\n".join(path.read_text() for path in sorted((EXAMPLES / "standard").iterdir()))
SECONDS = 10
"""Of the processor; each takes one or two."""


def bomb() -> bytes:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    for name, before in zip("bcdefghijklm", "abcdefghijkl", strict=True):
        lines.append(f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]")
    return "\n".join(lines).encode()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"[" * 4_000_000, "1:51: error: nested deeper than 50 levels"),
        (b"{a: " * 1_000_000, "nested deeper than 50 levels"),
        (b"- " * 2_000_000, "nested deeper than 50 levels"),
        (b"\n".join(b" " * depth + b"a:" for depth in range(2000)), "51:51: error: nested deeper than 50 levels"),
        (bomb(), "more than 100,000 values in one file (an alias counts as what it stands for)"),
        (b"- a\n" * 1_200_000, "more than 100,000 values in one file"),
        (b"---\n" * 1_200_000, "more than 100,000 values in one file"),
        (b"---\na\n" * 700_000, "1,000 problems; reading stopped here"),
        (b"x" * 5_000_001, "the file is larger than 5,000,000 bytes (split it"),
        (b'kind: "' + b"x" * 4_900_000 + b'"', "apiVersion: is required"),
        (b"x" * 4_900_000, "a document must be a mapping"),
        (b"".join(b"k%d: 1\n" % n for n in range(49_000)), "apiVersion: is required"),
        (b"a: " + b"9" * 100_000, "apiVersion: is required"),
        (b"{" + b'"a\\\\": 1,' * 400_000 + b"}", "is written twice"),
    ],
    ids=["lists", "maps", "dashes", "indents", "aliases", "values", "documents", "problems", "bytes", "text", "word", "keys", "digits", "same-key"],
)  # fmt: skip
def test_hostile_input_is_refused_within_seconds(tmp_path, data, message):
    path = tmp_path / "hostile.yaml"
    path.write_bytes(data)
    begin = time.process_time()
    with pytest.raises(DocumentsError, match=r"hostile\.yaml:\d+:\d+: error: ") as raised:
        load([path])
    assert time.process_time() - begin < SECONDS
    assert any(message in str(problem) for problem in raised.value.problems)
    assert len(raised.value.problems) <= MAX_PROBLEMS + 1


def test_a_message_is_short_and_moves_no_cursor(judge):
    long = judge.problems(f'kind: "{"x" * 100_000}"\napiVersion: openslo/v1\nmetadata: {{name: "\\e[2J\\n"}}')
    assert all(len(problem) < 2000 and problem.isprintable() for problem in long)
    assert any(r"'\x1b[2J\n' is not a name" in problem for problem in long)


SPLICES = [
    "[", "]", "{", "}", ":", "- ", "\n", "\n---\n", "\t", "&a ", "*a", "!!x ", "? ", "|\n", ">\n", '"', "'", "#", "null", "~", "1e9999",
    "-1", ".nan", "true", "0", "[]", "{}", "\\", "%", "@", "\0", "\x85", "\u2028", "é", "😀", "<<: ", "9" * 50, "a" * 70, "28d", "300ms",
]  # fmt: skip


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), edits=st.integers(1, 6))
def test_a_mutated_file_never_raises_anything_else(tmp_path, valid, seed, edits):
    chance = random.Random(seed)
    text = chance.choice([f"{valid}---\n{MAPPED.read_text()}", STANDARD])
    lines = text.splitlines(keepends=True)
    for _ in range(edits):
        at = chance.randrange(len(lines))
        line = lines[at]
        cut = chance.randrange(len(line) + 1)
        word = chance.choice(SPLICES)
        lines[at] = chance.choice([
            line[:cut] + word + line[cut:],
            line[:cut] + word + line[min(cut + chance.randrange(9), len(line)) :],
            line.split(":")[0] + f": {word}\n",
            "",
            line + line,
            chance.choice(lines),
            " " * chance.randrange(5) + line,
        ])  # fmt: skip
    assert_loads_or_tells(tmp_path / "mutated.yaml", "".join(lines).encode())


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=300) | st.text(max_size=300).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_bytes_never_raise_anything_else(tmp_path, data):
    assert_loads_or_tells(tmp_path / "bytes.yaml", data)


def assert_loads_or_tells(path, data):
    path.write_bytes(data)
    try:
        problems = load([path]).warnings
    except DocumentsError as error:
        problems = error.problems or pytest.fail("an error that tells nothing")
    assert all(problem.line >= 1 and problem.column >= 1 for problem in problems)
