# Two commands: `make demo` and `make test`. They need Python 3.11 to 3.13, pip and make.

PYTHON ?= python3
VENV   ?= .venv
BIN     = $(VENV)/bin
STAMP   = $(VENV)/.installed
# Processes that share the tests, one a core; each takes up to 2 GB. A file's tests stay in one process, and so do what
# they share; files are taken by name, but long ones that would be the
# last come first (tests/conftest.py).
WORKERS ?= 2

# Compiled modules are kept, whatever the environment says: tests start hundreds of processes, and each would compile the
# package again.
export PYTHONDONTWRITEBYTECODE =

.PHONY: help demo test slow deploy-test lint check fuzz fuzz-guided sbom audit licences bless pretrained clean
help:
	@echo "make demo   install what is needed, run the main job on the built-in mock sky, say where the report is"
	@echo "make test   install what is needed, run the tests in two processes (make test WORKERS=8: in eight)"
	@echo "make slow   run the slow tests as well"
	@echo "make deploy-test   install Slurm and sshd (Debian, as root), run the tests of clusters on them"
	@echo "make lint   ruff, pyright and import-linter"
	@echo "make fuzz   mutate tables for two minutes (make fuzz SECONDS_OF_FUZZ=3600: for an hour); 0 tracebacks, 0 hangs"
	@echo "make fuzz-guided   the readers under a coverage-guided fuzzer for ten minutes (atheris)"
	@echo "make sbom   write build/sbom.cdx.json, what is installed, in CycloneDX"
	@echo "make audit  ask for known faults of the tested set (pip-audit; needs network)"
	@echo "make licences   write docs/dependencies.md again: licences of all packages, and what brings them"
	@echo "make check  say which algorithms' code changed since their results were last compared"
	@echo "make pretrained DATA=FOLDER   train the committees of the package again, from a template pack"
	@echo "make bless  compare their results with the golden ones; keep their numbers if they are the same"

# A stamp, so that an unchanged environment is not installed again.
$(STAMP): pyproject.toml requirements/tested.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else "jpasbatch needs Python 3.11 to 3.13, found %d.%d: name one with make PYTHON=python3.12" % v)'
	@echo "installing into $(VENV): this takes some minutes, once"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint requirements/tested.txt --editable '.[test]'
	@touch $@

demo: $(STAMP)
	$(BIN)/jpasbatch demo --output demo

# One thread each: processes that share the cores wait for each other's threads otherwise.
test: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder --durations 10

slow: $(STAMP)
	$(BIN)/python -m pytest -m "slow or not slow"

# Real ones, on this machine: two virtual nodes of Slurm, and sshd on loopback.
DEPLOY_PACKAGES = slurm-wlm munge openssh-server
DEPLOY_TESTS = tests/compute/clusters $(wildcard tests/stages/test_*on_slurm.py tests/stages/test_on_ssh.py)
deploy-test: $(STAMP)
	@test -x /usr/sbin/slurmctld -a -x /usr/sbin/munged -a -x /usr/sbin/sshd \
	  || { apt-get update -qq && apt-get install -y --no-install-recommends $(DEPLOY_PACKAGES); }
	$(BIN)/python -m pytest -m "slow or not slow" -r s --durations 10 $(DEPLOY_TESTS)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports

SECONDS_OF_FUZZ ?= 120
SEED ?= 1
fuzz: $(STAMP)
	$(BIN)/python -m benchmarks.fuzz --seconds $(SECONDS_OF_FUZZ) --seed $(SEED)

# Tools of maintainers are kept out of the environment of the package; their versions are in requirements/maintainers.txt.
TOOLS = build/tools
INSTALL_TOOL = -m pip install --quiet --constraint requirements/maintainers.txt
$(TOOLS)/bin/python: $(STAMP)
	$(BIN)/python -m venv $(TOOLS)

GUIDED_SECONDS ?= 600
fuzz-guided: $(STAMP)
	$(BIN)/python $(INSTALL_TOOL) --no-deps --upgrade --target build/atheris atheris
	PYTHONPATH="$$PWD:build/atheris" $(BIN)/python -m benchmarks.fuzz_guided build/corpus --seconds $(GUIDED_SECONDS)

sbom: $(TOOLS)/bin/python
	$(TOOLS)/bin/python $(INSTALL_TOOL) cyclonedx-bom
	$(TOOLS)/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --spec-version 1.6 \
	  --output-format JSON --output-file build/sbom.cdx.json $(BIN)/python
	@echo "build/sbom.cdx.json lists what is in $(VENV)"

audit: $(TOOLS)/bin/python
	$(TOOLS)/bin/python $(INSTALL_TOOL) pip-audit
	$(TOOLS)/bin/pip-audit --requirement requirements/tested.txt --no-deps --disable-pip

licences: $(STAMP)
	$(BIN)/python -m tests.licences > docs/dependencies.md

check: $(STAMP)
	$(BIN)/python -m tests.algorithms check

bless: $(STAMP)
	$(BIN)/python -m tests.algorithms bless

# Each: a mock sky, a committee, its scores under stress; then what the package keeps of them.
PRETRAINED ?= jpas57 jpas60 jplus12
pretrained: $(STAMP)
	@test -n "$(DATA)" || { echo "name the template pack (docs/template_pack.md): make pretrained DATA=FOLDER"; exit 2; }
	for name in $(PRETRAINED); do \
	  first=jobs/pretrained/first/$$name.toml && \
	  if test -e $$first; then \
	    $(BIN)/jpasbatch mock $$first --data "$(DATA)" && \
	    $(BIN)/jpasbatch train $$first --data "$(DATA)" || exit $$?; \
	  fi && \
	  job=jobs/pretrained/$$name.toml && \
	  $(BIN)/jpasbatch mock $$job --data "$(DATA)" && \
	  $(BIN)/jpasbatch train $$job --data "$(DATA)" && \
	  $(BIN)/jpasbatch evaluate $$job --data "$(DATA)" && \
	  $(BIN)/python jobs/pretrained/keep.py runs/pretrained-$$name $$name || exit $$?; \
	done

clean:
	rm -rf demo runs .pytest_cache .ruff_cache .hypothesis
