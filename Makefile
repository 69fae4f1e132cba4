# make setup | demo | test | coverage | test-cross | test-slow | check | benchmarks | wheel | lock
VENV ?= .venv
BIN := $(VENV)/bin
# Processes that run tests side by side, each with up to 3 GB; more than two gain little, since tests use several cores.
JOBS ?= 2
PYTEST := $(BIN)/python -m pytest --numprocesses=$(JOBS) --dist=loadfile

.PHONY: setup demo test coverage test-cross test-slow check benchmarks wheel lock

# PYTHON=/path/to/python chooses the interpreter; the newest supported one that starts is the default.
setup:
	@sh setup/environment.sh $(VENV) "$(PYTHON)"

demo: setup
	@$(BIN)/bitlens demo

test: setup
	$(PYTEST)

coverage: setup
	$(PYTEST) --cov --cov-report=
	@echo "coverage: $$($(BIN)/coverage report --format=total) % of the lines, not counting what worker processes execute"

# What may differ between versions of Python, NumPy and TensorFlow; `.ci/cross-version` calls it with a PYTHON and a VENV.
test-cross: setup
	$(PYTEST) tests/test_imports.py tests/converters tests/harness/models tests/fuzz/test_model_files.py \
	    --ignore-glob="*/models/test_hostile_*" \
	    tests/harness/saliency/engine/test_keras3.py tests/harness/saliency/test_golden_maps.py \
	    tests/test_demo.py::test_demo_of_the_installed_wheel_leaves_every_unit_done_and_a_report

test-slow: setup
	$(BIN)/python -m pytest -m slow

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Every speed that is claimed, measured again on this machine, and docs/performance.md from it. The scripts' limits add up
# to three hours or so on two cores; a quiet machine takes less and gives narrow intervals, a busy one is named.
benchmarks: setup
	$(BIN)/python benchmarks/all.py

# With the LCE operators for both targets inside, so that whoever installs it needs no compiler.
wheel: setup
	rm -rf build/lib
	$(BIN)/python -m harness.native.build
	$(BIN)/python -m build --wheel --no-isolation

# Writes requirements.lock again from pyproject.toml: one lock for Python 3.11 to 3.13, x86-64 and aarch64. TensorFlow on
# x86-64 Linux is tensorflow-cpu, a third of the size; other packages ask for `tensorflow`, which is the same there.
lock: setup
	@for version in "2.19.1 ; python_version < '3.13'" "2.21.0 ; python_version >= '3.13'"; do \
	    echo "tensorflow-cpu==$$version and sys_platform == 'linux' and platform_machine == 'x86_64'" >> .lock-small.in; \
	    echo "tensorflow==$$version and (sys_platform != 'linux' or platform_machine != 'x86_64')" >> .lock-overrides; \
	done
	@echo "tensorflow-io-gcs-filesystem ; sys_platform == 'never'" >> .lock-overrides
	$(BIN)/uv pip compile --quiet --universal --extra host --extra dev --extra compiler --python-version 3.11 \
	    --generate-hashes --no-emit-index-url --no-annotate --override .lock-overrides \
	    --custom-compile-command "make lock" -o requirements.lock pyproject.toml .lock-small.in; \
	    status=$$?; rm -f .lock-small.in .lock-overrides; exit $$status
