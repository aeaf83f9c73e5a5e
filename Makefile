# Two commands are enough to begin: `make demo` and `make test`. Both prepare .venv by themselves.

VENV := .venv
BIN := $(VENV)/bin

.PHONY: help demo test integration bench native check clean
.DEFAULT_GOAL := help

help:
	@echo "make demo         run a small pipeline on an embedded broker and print the trace of one event"
	@echo "make test         unit tests and scenarios on the embedded broker"
	@echo "make integration  scenarios on real Kafka and Jaeger (LINEAGE_TOOLS names the folder that starts them)"
	@echo "make bench        what the agent costs, against vanilla OpenTelemetry and none"
	@echo "make native       compile the optional extension again, for a changed src/lineage/agent/_native.c"
	@echo "make check        lint, format, types, layers, compose file"
	@echo "make clean        remove $(VENV) and caches"

demo: $(VENV)/.installed-demo
	@echo "demo: starting the pipeline"
	@$(BIN)/lineage demo

test: $(VENV)/.installed-test
	@echo "test: pytest tests/"
	@$(BIN)/python -m pytest tests $(ARGS)

# Without a broker a newcomer gets a clear line; in CI the tests themselves fail then.
integration: $(VENV)/.installed-test
	@if [ -z "$(LINEAGE_TOOLS)$$KAFKA_BOOTSTRAP" ] && [ "$$CI" != true ]; then \
	  echo "integration: SKIPPED. Set LINEAGE_TOOLS to a folder with kafka/up.sh and jaeger/jaeger-up.sh," \
	    "or KAFKA_BOOTSTRAP to a running Kafka"; \
	else \
	  echo "integration: pytest integration/"; \
	  $(if $(LINEAGE_TOOLS),LINEAGE_TOOLS="$(abspath $(LINEAGE_TOOLS))") $(BIN)/python -m pytest integration $(ARGS); \
	fi

# A place of its own: what is measured against would load in all the tests, too.
bench:
	@if [ -z "$$KAFKA_BOOTSTRAP" ]; then echo "bench: SKIPPED. Set KAFKA_BOOTSTRAP to a running Kafka"; else \
	  $(MAKE) --no-print-directory VENV=.venvs/bench .venvs/bench/.installed-bench && \
	  echo "bench: a quarter of an hour, if all is measured" && .venvs/bench/bin/python benchmarks/run.py --write docs/performance.md $(ARGS); \
	fi

# An installation does this by itself, if there is a compiler.
native: $(VENV)/.created
	@$(BIN)/python hatch_build.py

check: $(VENV)/.installed-dev
	@echo "check: ruff" && $(BIN)/ruff check . && $(BIN)/ruff format --check .
	@echo "check: mypy" && $(BIN)/mypy
	@echo "check: layers" && $(BIN)/lint-imports --no-logo
	@echo "check: compose file" && $(BIN)/python -m pytest -q tests/test_compose.py

clean:
	@rm -rf $(VENV) .venvs .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .grimp_cache .hypothesis

# One stamp per extra: a second run installs nothing, a change to what is installed or how installs again.
.PRECIOUS: $(VENV)/.installed-%
$(VENV)/.installed-%: $(VENV)/.created pyproject.toml hatch_build.py src/lineage/agent/_native.c
	@echo "setup: installing lineage-instrument with its $* dependencies into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[$*]'
	@touch $@

# The first Python that is new enough and able to make a virtual environment; PYTHON=... overrides. Its pip is brought up to date,
# as an old one may not find a consistent set of OpenTelemetry packages.
$(VENV)/.created:
	@for candidate in $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11 python3.10; do \
	  $$candidate -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || continue; \
	  echo "setup: creating $(VENV) with $$($$candidate --version)"; \
	  $$candidate -m venv --clear $(VENV) && $(BIN)/python -m pip install --quiet --upgrade pip && touch $@ && exit 0; exit 1; \
	done; \
	echo "setup: no Python 3.10 or newer with the venv module found (Debian and Ubuntu: apt install python3-venv;" \
	  "elsewhere: make PYTHON=/path/to/python3)" >&2; exit 1
