# Two commands: `make run` shows a course being graded, `make test` runs every test. `make check` is what CI runs.
# Needs Python 3.11 and nothing else; all of it goes into .venv. `make pair` needs the pair's Python, too.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN = .venv/bin
# mysqlclient is compiled: it is installed only where its headers are.
MYSQL = $(shell pkg-config --exists mysqlclient 2>/dev/null || pkg-config --exists libmariadb 2>/dev/null && echo --group mysql)
ARGS ?=
PAIR ?= newest

.PHONY: run test pair pairs forward check lint types borders migrations audit fuzz bench nemesis install clean

run: .venv/installed
	$(BIN)/gradequeue demo $(ARGS)

test: .venv/installed
	$(BIN)/python -m tests.databases $(ARGS)

# The quick suite with another Python and another Django (docs/versions.md): oldest, platform, middle or newest.
pair: .venv/installed
	$(BIN)/python -m tests.pairs $(PAIR) $(ARGS)

pairs: .venv/installed
	for pair in oldest platform middle newest; do $(BIN)/python -m tests.pairs $$pair $(ARGS) || exit 1; done

# With the next Django, which may not be published yet: what fails here is a warning, and no fault.
forward: .venv/installed
	$(BIN)/python -m tests.pairs forward $(ARGS)

check: lint types borders migrations test

lint: .venv/installed
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: .venv/installed
	$(BIN)/mypy

borders: .venv/installed
	$(BIN)/lint-imports

migrations: .venv/installed
	GRADEQUEUE_DATA=.venv/check-data $(BIN)/gradequeue makemigrations --check --dry-run

# Asks PyPI for known holes in what is pinned.
audit: .venv/installed
	$(BIN)/uv export --quiet --frozen --no-emit-project --no-dev --all-extras --output-file .venv/audited.txt
	$(BIN)/uv tool run pip-audit --strict --disable-pip --requirement .venv/audited.txt

# The hostile requests of the suite, ten thousand of them.
fuzz: .venv/installed
	HOSTILE_EXAMPLES=10000 $(BIN)/python -m pytest tests/xqueue/test_hostile_requests.py tests/security/test_fuzz.py --timeout 0 $(ARGS)

bench: .venv/installed
	$(BIN)/python -m benchmarks $(ARGS)

nemesis: .venv/installed
	$(BIN)/python -m tests.nemesis $(ARGS)

install: .venv/installed

.venv/installed: pyproject.toml uv.lock Makefile
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check "uv>=0.8"
	$(BIN)/uv sync --quiet --frozen --all-extras --no-extra mysql --group dev --group bench $(MYSQL)
	touch $@

clean:
	rm -rf .venv .venv-* build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
