# Two commands: `make run` shows a course being graded (ARGS=--live: a month, with incidents), `make test` runs every test. `make check` is what CI runs.
# Needs Python 3.11; all of it goes into .venv. What the tests need beside: CONTRIBUTING.md. `make pair` needs the pair's Python, too.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN = .venv/bin
WORKER = packages/gradequeue-grader
# mysqlclient is compiled: it is installed only where its headers are.
MYSQL = $(shell pkg-config --exists mysqlclient 2>/dev/null || pkg-config --exists libmariadb 2>/dev/null && echo --group mysql)
ARGS ?=
PAIR ?= newest

.PHONY: run test worker-test pair pairs forward ora2 peer-suite tutor-test check lint types borders migrations openapi audit fuzz bench nemesis soak install clean ha mutants quick docs reference messages screenshots packaging release address image image-test compose-test

run: .venv/installed
	$(BIN)/gradequeue demo $(ARGS)

# Under a quarter of an hour: without walks, and on servers without what SQLite shows as well. Those are for `make check`.
test: .venv/installed $(if $(ARGS),,worker-test)
	$(BIN)/python -m tests.databases $(ARGS)

# The heart of the suite, on SQLite, with lint and borders: for the hour of work between two runs of everything.
QUICK = tests/queue tests/api tests/pages/test_site.py tests/pages/test_tables.py tests/test_import_order.py \
  tests/test_migrations.py tests/test_private_names.py tests/test_text.py tests/test_versions.py --ignore tests/queue/fast

quick: lint borders
	TEST_DATABASE=sqlite $(BIN)/python -m pytest -q -n 2 --dist worksteal $(or $(ARGS),$(QUICK))

# The worker's own tests need no database; `make test` with ARGS leaves them out. On a real service: tests/worker.
# What fails runs once more by itself, as in tests/databases.py.
worker-test: .venv/installed
	$(BIN)/python -m pytest -q -n 2 --dist worksteal $(WORKER) || $(BIN)/python -m pytest -q --last-failed $(WORKER)

# The quick suite with another Python and another Django (docs/versions.md): oldest, platform, middle or newest.
pair: .venv/installed
	$(BIN)/python -m tests.pairs $(PAIR) $(ARGS)

pairs: .venv/installed
	for pair in oldest platform middle newest; do $(BIN)/python -m tests.pairs $$pair $(ARGS) || exit 1; done

# With the next Django, which may not be published yet: what fails here is a warning, and no fault.
forward: .venv/installed
	$(BIN)/python -m tests.pairs forward $(ARGS)

# ORA2 and xblocks-contrib on our app, with Python 3.12 (docs/openedx.md).
ora2: .venv/installed
	$(BIN)/python -m tests.ora2 $(ARGS)

# edx-submissions' own tests on our package: PEER is a checkout of edx-submissions 4.0.2, whose package has no tests.
peer-suite: .venv/installed
	$(BIN)/python -m tests.compat.peer_suite $(PEER)

# The plugin for Tutor, and the manifests of Kubernetes against their schemas, in an environment of their own: tutor,
# kubectl and the schemas are large. Needs a MariaDB on 127.0.0.1:3306, the client `mysql`, and Debian's caddy.
TUTOR = packages/tutor-contrib-gradequeue
tutor-test: .venv-tutor/installed
	.venv-tutor/bin/mypy --config-file $(TUTOR)/pyproject.toml $(TUTOR)/src
	PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 .venv-tutor/bin/python -m pytest -q -p pytest_timeout -p no:cacheprovider $(TUTOR) $(ARGS)
	PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 .venv-tutor/bin/python -m pytest -q --noconftest -c /dev/null --rootdir . \
	  -p no:cacheprovider tests/packaging/kubernetes_schemas.py

.venv-tutor/installed: .venv/installed $(TUTOR)/pyproject.toml $(TUTOR)/tests/requirements.txt
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv-tutor
	$(BIN)/uv pip install --quiet --python .venv-tutor/bin/python -e $(TUTOR) -r $(TUTOR)/tests/requirements.txt
	touch $@

# All that `make test` leaves out, too (ADR 0157).
check: export TEST_WHOLE = 1
check: lint types borders migrations docs test

lint: .venv/installed
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: .venv/installed
	$(BIN)/mypy
	$(BIN)/mypy --config-file $(WORKER)/pyproject.toml $(WORKER)/src $(WORKER)/tests

borders: .venv/installed
	$(BIN)/lint-imports

migrations: .venv/installed
	GRADEQUEUE_DATA=.venv/check-data $(BIN)/gradequeue makemigrations --check --dry-run

# The document of the REST API that is served; a test compares it with the code.
openapi: .venv/installed
	GRADEQUEUE_DATA=.venv/check-data $(BIN)/gradequeue shell -v 0 -c \
	  "from submissions.rest import openapi; print(openapi.text(), end='')" > .venv/openapi.json
	mv .venv/openapi.json src/submissions/rest/openapi.json

# The site of the pages, in build/docs. A warning is an error: a page without its place, a link or an anchor that is not there.
docs: .venv/installed
	rm -rf build/docs
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going --fresh-env --jobs auto --builder html --conf-dir docs/site \
	  --doctree-dir .venv/doctrees . build/docs
	$(BIN)/python docs/site/check.py build/docs

# The page with each request of the REST API, from its document; a test compares it.
reference: .venv/installed
	DJANGO_SETTINGS_MODULE=tests.settings $(BIN)/python -c \
	  "import django; django.setup(); from tests.pages import rest_reference; rest_reference.write()"

# The catalogues of both packages from the code, and the files that the server reads (docs/languages.md). Needs Debian's gettext.
LANGUAGES = es fr ar
messages: .venv/installed
	for package in submissions gradequeue; do (cd src/$$package && mkdir -p locale && \
	  ../../$(BIN)/django-admin makemessages $(LANGUAGES:%=--locale %) --no-location --no-wrap --no-obsolete && \
	  sed -i '/^"POT-Creation-Date/d' locale/*/LC_MESSAGES/django.po && \
	  ../../$(BIN)/django-admin compilemessages) || exit 1; done

# The pictures of the pages, from a seeded demonstration in Chromium. Takes two minutes; needs no database server.
screenshots: .venv/installed
	$(BIN)/python -m tests.pages.screenshots

# Asks PyPI for known holes in what is pinned.
audit: .venv/installed
	$(BIN)/uv export --quiet --frozen --no-emit-workspace --no-dev --all-packages --all-extras --output-file .venv/audited.txt
	$(BIN)/uv tool run pip-audit --strict --disable-pip --requirement .venv/audited.txt

# The hostile requests of the suite, ten thousand of them.
fuzz: .venv/installed
	HOSTILE_EXAMPLES=10000 $(BIN)/python -m pytest tests/xqueue/test_hostile_requests.py tests/security/test_fuzz.py --timeout 0 $(ARGS)

bench: .venv/installed
	$(BIN)/python -m benchmarks $(ARGS)

nemesis: .venv/installed
	$(BIN)/python -m tests.nemesis $(ARGS)

# 500,000 cycles and 2,000,000 polls on PostgreSQL, with a quiet machine; the report is build/soak.md (tests/soak/README.md).
soak: .venv/installed
	$(BIN)/python -m tests.soak --report build/soak.md $(ARGS)

# Past one machine: all scenarios, or one, ARGS=patroni. As root, with Debian's postgresql, patroni, etcd-server, haproxy, pgbouncer,
# mariadb-server, mariadb-backup, galera-4, socat and redis-server (tests/ha/README.md).
ha: .venv/installed .venv-ha/installed
	$(BIN)/python -m tests.ha $(ARGS)

# An S3 of its own, apart from what is locked.
.venv-ha/installed: Makefile
	$(PYTHON) -m venv .venv-ha
	.venv-ha/bin/pip install --quiet --disable-pip-version-check "moto[server]==5.2.5"
	touch $@

# Deliberate defects, each of which a test must notice (tests/mutants/README.md).
mutants: .venv/installed
	$(BIN)/python -m tests.mutants $(ARGS)

# What takes too long for `make check`: release, image-test, compose-test and tutor-test, each a target of its own, one
# after the other. What cannot be run here is named, and fails.
packaging: .venv/installed
	$(BIN)/python -m tests.packaging $(ARGS)

# Wheels, sdists, SBOMs and checksums in dist, tested; it says what a person must do to publish them.
release: .venv/installed .venv-release/installed
	$(BIN)/python -m tests.packaging.release

# Writes the repository's public address into packages and images, once it has one: make address TO=https://HOST/OWNER/NAME
address: .venv/installed
	$(BIN)/python -m tests.packaging.address $(TO)

# The Dockerfile's images without Docker and registry, in build/images: needs root, buildah and debootstrap.
image: .venv/installed
	$(BIN)/python -m tests.packaging.image

image-test: image
	$(BIN)/python -m pytest tests/packaging/images.py $(ARGS)

# compose.yaml against the schema, and its commands on the PostgreSQL and Redis that `.ci/run` has: needs nginx.
compose-test: .venv/installed .venv-release/installed
	.venv-release/bin/check-jsonschema --builtin-schema vendor.compose-spec compose.yaml compose.test.yaml
	$(BIN)/python -m pytest tests/packaging/composed.py $(ARGS)

install: .venv/installed

.venv-release/installed: .venv/installed
	UV_PROJECT_ENVIRONMENT=.venv-release $(BIN)/uv sync --quiet --frozen --only-group release
	touch $@

.venv/installed: pyproject.toml $(WORKER)/pyproject.toml uv.lock Makefile
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check "uv>=0.8"
	$(BIN)/uv sync --quiet --frozen --all-extras --no-extra mysql --group dev --group bench $(MYSQL)
	touch $@

clean:
	rm -rf .venv .venv-* build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
