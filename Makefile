# What learners, teachers and authors run. Each target makes what it needs; interrupt any and start again.

PYTHON ?= python3
UV ?= .uv/bin/uv
BIN := .venv/bin
READY := .venv/ready
# One thread per process: two run side by side, and results do not depend on the number of cores.
THREADS := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1

.PHONY: help lab test test-browser check notebooks checkpoints book bench lock clean
.DEFAULT_GOAL := help

help:
	@echo "make lab        open the course in JupyterLab"
	@echo "make test       run every test, notebook and solution"
	@echo "make test-browser  try the course and its site in Chromium"
	@echo "make check      the authors' fast part: lint, unit tests, sources in step"
	@echo "make notebooks  rebuild and execute the notebooks whose text or code changed"
	@echo "make checkpoints   train every model that the course ships, by its recipe"
	@echo "make book       the web site of the course, in book/_build/html"
	@echo "make bench      measure this machine and write benchmarks/RESULTS.md"
	@echo "make lock       choose new versions of all packages"
	@echo "make clean      remove the environment; your work/ stays"

lab: $(READY)
	@$(BIN)/audiolab lab

test: $(READY)
	@$(BIN)/ruff check . && $(BIN)/lint-imports --no-cache > /dev/null && $(BIN)/python -m tools.build --check
	$(THREADS) $(BIN)/pytest tests notebooks solutions --nbval-lax -n 2 --dist loadscope

# A test that hangs for five minutes ends the run: no other limit reaches into a page that does not answer.
test-browser: $(READY) book
	$(THREADS) $(BIN)/pytest tests/browser -n 2 --dist loadfile -o faulthandler_timeout=300 -o faulthandler_exit_on_timeout=true

check: $(READY)
	@$(BIN)/ruff check . && $(BIN)/lint-imports --no-cache > /dev/null && $(BIN)/python -m tools.build --check
	$(THREADS) $(BIN)/pytest tests -m "not slow" -n 2 --dist loadscope

notebooks: $(READY)
	$(BIN)/python -m tools.build
	$(BIN)/python -m tools.pictures

checkpoints: $(READY)
	@$(BIN)/audiolab train --all

book: $(READY)
	@$(BIN)/python -m tools.book

bench: $(READY)
	$(THREADS) $(BIN)/python -m benchmarks.run

lock: $(UV)
	$(UV) pip compile --universal --generate-hashes --python-version 3.11 --group dev --upgrade --no-header -q pyproject.toml -o requirements.lock

clean:
	rm -rf .venv .uv

# The environment is the lock file's, to the hash. `building` marks a build under way: an interrupted
# one leaves it behind, and the next starts afresh.
$(READY): requirements.lock pyproject.toml $(wildcard kernel/*) | $(UV)
	@if [ -e .venv/building ]; then rm -rf .venv; fi
	@echo "Preparing the environment in .venv (about a minute with a quick network) …"
	@$(UV) venv -q --allow-existing --python "$$($(PYTHON) -c 'import sys; print(sys.executable)')" .venv
	@touch .venv/building
	@$(UV) pip sync --python .venv --require-hashes requirements.lock
	@$(UV) pip install -q --python .venv --no-deps --no-build-isolation --editable .
	@touch $@ && rm .venv/building

.uv/bin/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "audiolab needs Python 3.11 or newer, this is %d.%d: name another with `make PYTHON=python3.12 …`." % sys.version_info[:2])'
	@rm -rf .uv && $(PYTHON) -m pip install -q --disable-pip-version-check --target .uv uv
