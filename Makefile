# make setup | demo | test | test-slow | check | wheel
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
READY := .venv/ready

.PHONY: setup demo test test-slow check wheel lock

setup: $(READY)

# pip is called from outside the environment because Debian ships venv without ensurepip.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info[:2] == (3, 11) or sys.exit("bitlens is locked for Python 3.11, found " + sys.version.split()[0] + "\n  try: make setup PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv --without-pip --clear .venv
	$(PYTHON) -m pip --quiet --disable-pip-version-check --python $(BIN)/python install uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --require-hashes -r requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

demo: setup
	@$(BIN)/bitlens demo

test: setup
	$(BIN)/python -m pytest --cov --cov-report=
	@echo "coverage: $$($(BIN)/coverage report --format=total) % of the lines, not counting what worker processes execute"

test-slow: setup
	$(BIN)/python -m pytest -m slow

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# With the LCE operators for both targets inside, so that whoever installs it needs no compiler.
wheel: setup
	rm -rf build/lib
	$(BIN)/python -m harness.native.build
	$(BIN)/python -m build --wheel --no-isolation

# Writes requirements.lock again from pyproject.toml. xplique asks for `tensorflow`, which tensorflow-cpu already is, and for
# `opencv-python`, which opencv-python-headless is on a machine without a screen.
lock:
	printf "tensorflow ; sys_platform == 'never'\nopencv-python ; sys_platform == 'never'\n" > .lock-overrides
	$(BIN)/uv pip compile --quiet --extra host --extra dev --python-version 3.11 --generate-hashes --no-emit-index-url \
	    --no-annotate --override .lock-overrides --custom-compile-command "make lock" -o requirements.lock pyproject.toml
	rm .lock-overrides
