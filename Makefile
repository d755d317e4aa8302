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
PROJECTS := sdk slo collectors dashboards alerting
MANIFESTS := pyproject.toml $(addsuffix /pyproject.toml,$(PROJECTS)) constraints.txt

.PHONY: help setup demo test lint bench constraints clean

help:  ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/.ready  ## install everything into .venv (done once; again only when a pin changes)

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

test: setup  ## all tests, with real parts (installs Debian packages that only tests need, and says which)
	@deploy/scripts/test-packages
	@$(BIN)/python -m pytest $(ARGS)

lint: setup  ## ruff, mypy --strict, pyright, import-linter
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/pyright
	@$(BIN)/lint-imports

bench: setup  ## every performance claim, measured here
	@for each in benchmarks/*.py; do echo "== $$each"; $(BIN)/python $$each || exit 1; done

constraints: | $(UV)  ## pin every dependency anew, with hashes
	@deploy/scripts/pin "$(UV)"

clean:  ## remove what setup made
	rm -rf .venv $(TOOLS)
