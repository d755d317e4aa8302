"""Under `opentelemetry-instrument`, and from code beside other instrumentors."""

import shutil
import sys
from pathlib import Path

import pytest
from opentelemetry import trace

import maibo
from maibo.instrumentor import MaiboInstrumentor

PROGRAM = """
from opentelemetry import trace
import maibo
tracer = trace.get_tracer("host")
with tracer.start_as_current_span("request") as span:
    with maibo.journey("checkout"), maibo.step("payment"):
        assert trace.get_current_span() is span
print(type(trace.get_tracer_provider()).__name__, maibo.stats())
"""
INSTRUMENT = shutil.which("opentelemetry-instrument", path=str(Path(sys.executable).parent))


@pytest.mark.skipif(INSTRUMENT is None, reason="opentelemetry-instrument is not installed")
@pytest.mark.parametrize(
    ("environment", "provider"),
    [
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_TRACES_SAMPLER": "always_off"}, "TracerProvider"),
        ({"OTEL_TRACES_EXPORTER": "console", "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "1"}, "TracerProvider"),
        ({"OTEL_PYTHON_CONFIGURATOR": "none"}, "ProxyTracerProvider"),
        (
            {"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS": "maibo_kubernetes"},
            "TracerProvider",
        ),
    ],
)
def test_it_switches_itself_on_beside_whatever_tracing_there_is(run_program, receiver, tmp_path, environment, provider):
    path = tmp_path / "app.py"
    path.write_text(PROGRAM)
    process = run_program(
        [INSTRUMENT, sys.executable, str(path)],
        **environment,
        OTEL_SERVICE_NAME="storefront",
        OTEL_METRICS_EXPORTER="none",
        OTEL_LOGS_EXPORTER="none",
    )
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert provider in output
    assert "Traceback" not in output, "no entry point of ours broke"
    assert [span.name for span in receiver.spans] == ["step payment", "journey checkout"], output
    assert {span.resource["service.name"] for span in receiver.spans} == {"storefront"}
    assert len({span.trace_id for span in receiver.spans}) == 1
    assert receiver.steps[0].attributes["journey.step"] == "payment"


def test_an_application_that_configures_itself_replaces_what_was_switched_on(monkeypatch, receiver):
    from maibo.auto import post_instrument

    monkeypatch.setenv("MAIBO_ENDPOINT", receiver.url)
    monkeypatch.setenv("OTEL_SERVICE_NAME", "from-environment")
    post_instrument()
    maibo.configure(service="from-code")
    post_instrument()
    with maibo.journey("checkout"):
        pass
    assert maibo.flush()
    assert [span.resource["service.name"] for span in receiver.spans] == ["from-code"]


def test_the_instrumentor_takes_what_configure_takes_and_ignores_the_rest(receiver):
    instrumentor = MaiboInstrumentor()
    instrumentor.instrument(service="storefront", endpoint=receiver.url, tracer_provider=trace.get_tracer_provider())
    with maibo.journey("checkout"):
        pass
    instrumentor.uninstrument()
    with maibo.journey("checkout"):
        assert not maibo.current()
    assert [span.resource["service.name"] for span in receiver.spans] == ["storefront"]


def test_the_hosts_own_provider_says_who_we_are_when_nothing_else_does(run_program, receiver):
    program = """
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
trace.set_tracer_provider(TracerProvider(resource=Resource.create({"service.name": "host", "team": "shop"})))
import maibo
maibo.configure()
with maibo.journey("checkout"): pass
"""
    output, _ = run_program(program).communicate(timeout=30)
    assert receiver.spans[0].resource.items() >= {"service.name": "host", "team": "shop"}.items(), output
