# Needs Python 3.11 or newer, make and git. `make run` and `make test` set up what they need.

PYTHON ?= python3
TORCH_CPU_INDEX ?= https://download.pytorch.org/whl/cpu

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.stamp
# Without --no-compile half of the set-up would go to byte-compiling what is never imported.
INSTALL := $(BIN)/python -m pip --disable-pip-version-check install -qq --no-compile
TORCH := $(shell sed -n 's/^torch==//p' requirements.lock)

.DEFAULT_GOAL := help
.PHONY: help setup run test check bench docs clean

help: ## list these targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1  \2/p' Makefile

setup: $(STAMP) ## create .venv with the pinned versions and the project (once)

run: $(STAMP) ## play the embedded default game
	@$(BIN)/selfplay run tiny

test: $(STAMP) ## run all tests
	@$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile \
	  --no-loadscope-reorder

check: $(STAMP) ## lint, formatting and types
	@echo "lint";   $(BIN)/ruff check .
	@echo "format"; $(BIN)/ruff format --check .
	@echo "types";  $(BIN)/mypy

bench: $(STAMP) ## run every benchmark and render docs/results.md
	@$(BIN)/python -m benchmarks --all
	@$(BIN)/python -m benchmarks --render

docs: $(STAMP) ## build the documentation as a site, into site/
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "open site/index.html, or, to search as well: $(BIN)/python -m http.server -d site"

clean: ## remove .venv and what tools left behind (runs are kept)
	rm -rf $(VENV) build dist site .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "expected Python 3.11 or newer as '$(PYTHON)', found: $$($(PYTHON) -V 2>&1)"; \
	  echo "name another one: make PYTHON=/path/to/python3.11 ..."; exit 1; }
	@$(BIN)/python -c '' 2>/dev/null || { echo "set-up: creating $(VENV)"; \
	  $(PYTHON) -m venv --clear $(VENV); } || { \
	  echo "could not create $(VENV); on Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@$(call install_torch)
	@echo "set-up: installing the pinned packages (a minute or two)"
	@$(INSTALL) -r requirements.lock
	@echo "set-up: installing the project"
	@$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

# Without an NVIDIA GPU the CPU build of torch will do: a tenth of the size. It carries a local
# version (+cpu) that satisfies the pin; macOS and Arm wheels on the package index are CPU builds.
define install_torch
  case "$$(uname -sm)" in "Linux x86_64") ;; *) exit 0 ;; esac; \
  if nvidia-smi >/dev/null 2>&1; then exit 0; fi; \
  echo "set-up: installing torch $(TORCH), CPU build"; \
  $(INSTALL) "torch==$(TORCH)+cpu" 2>/dev/null || \
  $(INSTALL) --extra-index-url "$(TORCH_CPU_INDEX)" "torch==$(TORCH)+cpu"
endef
