# Everything is set up in .venv automatically; nothing else of the machine is touched.
PYTHON ?= python3
PYTEST_ARGS ?=
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help demo test coverage lint format docs clean

help:
	@echo "make demo    draw a clip, segment it, score it (base install, no torch)"
	@echo "make test    run the tests (installs torch, timm and the development tools)"
	@echo "make coverage  the same, with the share of lines that ran"
	@echo "make docs    build the site into site/, strictly"
	@echo "make lint    ruff and mypy"
	@echo "make format  ruff's formatter and its safe fixes"
	@echo "make clean   remove the environment and what the tools left"

demo: $(VENV)/.base
	$(BIN)/maskstream demo

test: $(VENV)/.development
	$(BIN)/python -m pytest $(PYTEST_ARGS)

coverage: $(VENV)/.development
	$(BIN)/python -m pytest --cov --cov-report=term $(PYTEST_ARGS)

docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

lint: $(VENV)/.development
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: $(VENV)/.development
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .coverage* build dist site

$(VENV)/.pip:
	@$(PYTHON) -c 'import sys; sys.exit("maskstream needs Python 3.11 or newer, this is %d.%d; try: make PYTHON=python3.12" % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	@touch $@

$(VENV)/.base: pyproject.toml | $(VENV)/.pip
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/.development: pyproject.toml constraints/test.txt | $(VENV)/.pip
	$(BIN)/python -m pip install --quiet --constraint constraints/test.txt --editable '.[train,coco,pretrained]' --group dev
	@touch $@ $(VENV)/.base

$(VENV)/.docs: pyproject.toml | $(VENV)/.pip
	$(BIN)/python -m pip install --quiet --group docs
	@touch $@
