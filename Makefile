# Few targets, each of which sets itself up; `make help` lists them.
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: help demo test lint docs docker-base images soak soak-servers bench-proxy bench-recorder bench-load bench-xmpp clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' Makefile

demo: $(READY) ## see a lost message being caught
	$(BIN)/chat-chaos demo

test: lint ## the whole suite
	$(BIN)/python -m pytest -n 2

lint: $(READY) ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(READY) ## write the reference pages anew from the registries
	$(BIN)/python -m harness.cli.reference_pages docs

docker-base: ## the base of the images, for machines that reach no image registry
	docker/base/build

images: $(READY) ## build the images that the docker launcher needs and this machine lacks
	$(BIN)/chat-chaos stack images

soak: $(READY) ## 200 runs of the catalogue on a busy machine: no false alarm
	$(BIN)/python benchmarks/soak.py

RUNS := 30
soak-servers: $(READY) ## the real servers, RUNS=30 times without faults and with those of the network
	@set -e; for stack in prosody ejabberd synapse; do for faults in none network; do \
	  echo "$$stack, faults: $$faults"; \
	  $(BIN)/python benchmarks/soak.py --stack $$stack --faults $$faults --runs $(RUNS) --jobs 4 --load 0; \
	done; done

bench-proxy: $(READY) ## throughput and latency through the proxies
	$(BIN)/python benchmarks/bench_proxy.py

bench-recorder: $(READY) ## microseconds per recorded event
	$(BIN)/python benchmarks/bench_recorder.py

bench-load: $(READY) ## our load side beside Locust, k6 and artillery (missing ones are fetched once)
	$(BIN)/python benchmarks/bench_load.py

bench-xmpp: $(READY) ## our XMPP driver beside tsung on one ejabberd
	$(BIN)/python benchmarks/bench_xmpp.py

clean: ## remove what was built, the virtual environment too
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis

# The stamp is newer than what it was made from, so a second call does nothing.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "chat-chaos needs Python 3.11 or newer; $(PYTHON) is older or missing. Try: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 2; }
	@if command -v uv >/dev/null 2>&1; then \
	  set -e; \
	  uv venv --quiet --allow-existing --python "$(PYTHON)" $(VENV); \
	  uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock; \
	  uv pip install --quiet --python $(BIN)/python --no-deps -e .; \
	else \
	  set -e; \
	  $(PYTHON) -m venv $(VENV); \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock; \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .; \
	fi
	@touch $@
