# make demo and make test are the two commands; each sets up all that it needs, and can be run again.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo up test test-core test-fresh lint bench soak kafka format requirements clean system

demo: $(VENV)/.base
	$(BIN)/pinflow demo

up: $(VENV)/.base
	$(BIN)/pinflow up

# Three at once, also on two cores: a good part of the tests waits, for a server, a kill or a time that has to pass.
# A part of them: make test TESTS=tests/unit/test_land.py
test: $(VENV)/.dev system
	$(BIN)/python -m pytest --numprocesses 3 --dist worksteal $(TESTS)

# The quick loop: no server of others is installed or started, and what takes long is left out
test-core: $(VENV)/.dev
	@$(NEED) openssl
	$(BIN)/python -m pytest --numprocesses 3 --dist worksteal --no-servers -m "not slow" \
	  $(or $(TESTS),tests/unit tests/property tests/contract)

# make test, and make demo and make lint, on a bare system where nothing was installed by hand; a part as above
test-fresh:
	$(PYTHON) -m tests.tools.fresh $(TESTS)

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.tools.check_datasets

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks

# Kill stations at random moments, and look for every record: make soak KILLS=2000
soak: $(VENV)/.dev
	$(BIN)/python -m tests.crash --kills $(or $(KILLS),1000)

# One Kafka broker on a free port, until Ctrl-C; prints the URL of the log
kafka: $(VENV)/.dev build/kafka/.installed
	$(BIN)/python -m tests.servers.kafka

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "pinflow needs Python 3.11 or later; name one: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	  echo "$(PYTHON) cannot make a virtual environment; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }

$(VENV)/.base: $(BIN)/python requirements/base.txt pyproject.toml
	$(BIN)/pip install --quiet --require-hashes -r requirements/base.txt
	PIP_CONSTRAINT=requirements/build.txt PIP_BUILD_CONSTRAINT=requirements/build.txt \
	  $(BIN)/pip install --quiet --no-deps -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.base requirements/dev.txt
	$(BIN)/pip install --quiet --require-hashes -r requirements/dev.txt
	@touch $@

# What the tests need beside Python packages: programs of the system, the jars of a Kafka broker, and kinesalite.
# Each is tried by using it; called by its name, make system tries again what has worked before.
NEED = $(BIN)/python -m tests.tools.system $(if $(AGAIN),--again)

# Each part is installed once, below build/, and all of them at the same time: a further one is a target like these,
# and a word here.
PARTS := programs kafka kinesalite

system: $(VENV)/.dev
	@$(MAKE) --no-print-directory --jobs --output-sync=target $(PARTS:%=part-%) AGAIN=$(filter system,$(MAKECMDGOALS))

.PHONY: $(PARTS:%=part-%)

part-programs: | $(VENV)/.dev
	@$(NEED) openssl strace disk mariadb

part-kafka: build/kafka/classes.jsa
	@$(NEED) kafka

# What a broker loads, kept for the next ones to start faster
build/kafka/classes.jsa: build/kafka/.installed
	@$(BIN)/python -c 'from tests.servers.kafka import archive_classes; archive_classes()'

part-kinesalite: build/kinesalite/.installed
	@$(NEED) kinesalite

build/kafka/.installed: tests/servers/kafka/pom.xml | $(VENV)/.dev
	@$(NEED) maven
	mvn --quiet --batch-mode --file $< org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
	  -DincludeScope=runtime -DoutputDirectory=$(CURDIR)/build/kafka/libs
	@touch $@

build/kinesalite/.installed: tests/servers/kinesalite/package-lock.json | $(VENV)/.dev
	@$(NEED) npm
	@mkdir -p build/kinesalite && cp tests/servers/kinesalite/package*.json build/kinesalite/
	for try in 1 2 3; do \
	  npm ci --prefix build/kinesalite --no-audit --no-fund --loglevel=error; \
	  test -f build/kinesalite/node_modules/kinesalite/cli.js && break; done
	@test -f build/kinesalite/node_modules/kinesalite/cli.js
	@touch $@

COMPILE = $(BIN)/pip-compile --quiet --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-header \
  --strip-extras --allow-unsafe --upgrade

requirements: $(VENV)/.dev
	$(BIN)/pip install --quiet pip-tools
	$(COMPILE) --generate-hashes -o requirements/base.txt pyproject.toml
	$(COMPILE) --generate-hashes -o requirements/dev.txt -c requirements/base.txt requirements/dev.in
	$(COMPILE) -o requirements/build.txt requirements/build.in

clean:
	rm -rf $(VENV) build .pinflow .pytest_cache .mypy_cache .ruff_cache .hypothesis
