# make demo | test | lint | clean, on a machine with Python >= 3.10, git and make.

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

export OMP_NUM_THREADS ?= 1

.PHONY: help .venv demo test lint tables clean

help:
	@echo 'make .venv   install the package and its tools into .venv'
	@echo 'make demo    train and compare the methods on ToyStreets'
	@echo 'make test    run the whole test suite'
	@echo 'make lint    check style and types'
	@echo 'make tables  make the tables in README.md and docs/ from docs/results/'
	@echo 'make clean   remove .venv, caches and build outputs'

.venv: $(STAMP)

$(STAMP): setup.py pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
	  echo 'error: Python 3.10 or newer is needed; name one: make PYTHON=python3.11' >&2; \
	  exit 1; }
	$(PYTHON) -m venv .venv
	@echo 'Installing into .venv: torch and its libraries take some 6 GB.'
	$(BIN)/python -m pip install --disable-pip-version-check --progress-bar off -e '.[dev]'
	@# opencv-python needs libGL, which a machine without a screen may lack; its
	@# headless twin of the same version does not.
	@$(BIN)/python -c 'import cv2' 2>/dev/null || $(BIN)/python -m pip install \
	  --disable-pip-version-check --no-deps --force-reinstall \
	  opencv-python-headless==$$($(BIN)/python -c \
	  'from importlib.metadata import version; print(version("opencv-python"))')
	@touch $@

demo: .venv
	$(BIN)/python tools/demo.py

test: .venv
	$(BIN)/python -m pytest -n auto --maxprocesses 8 --dist loadfile

lint: .venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

tables: .venv
	$(BIN)/python docs/fill_in.py

clean:
	rm -rf .venv build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache cfcontra_mm/.mim
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
