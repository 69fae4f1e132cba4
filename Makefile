# make setup | demo | test | test-slow | check | wheel
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
READY := .venv/ready

.PHONY: setup demo test test-slow check wheel lock

setup: $(READY)

# pip is called from outside the environment because Debian ships venv without ensurepip.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; (3, 11) <= sys.version_info[:2] <= (3, 13) or sys.exit("bitlens runs on Python 3.11 to 3.13, found " + sys.version.split()[0] + "\n  try: make setup PYTHON=/path/to/python3.13")'
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

# Writes requirements.lock again from pyproject.toml: one lock for Python 3.11 to 3.13, x86-64 and aarch64. TensorFlow on
# x86-64 Linux is tensorflow-cpu, a third of the size; other packages ask for `tensorflow`, which is the same there.
lock:
	@for version in "2.19.1 ; python_version < '3.13'" "2.21.0 ; python_version >= '3.13'"; do \
	    echo "tensorflow-cpu==$$version and sys_platform == 'linux' and platform_machine == 'x86_64'" >> .lock-small.in; \
	    echo "tensorflow==$$version and (sys_platform != 'linux' or platform_machine != 'x86_64')" >> .lock-overrides; \
	done
	@echo "tensorflow-io-gcs-filesystem ; sys_platform == 'never'" >> .lock-overrides
	$(BIN)/uv pip compile --quiet --universal --extra host --extra dev --extra compiler --python-version 3.11 \
	    --generate-hashes --no-emit-index-url --no-annotate --override .lock-overrides \
	    --custom-compile-command "make lock" -o requirements.lock pyproject.toml .lock-small.in; \
	    status=$$?; rm -f .lock-small.in .lock-overrides; exit $$status
