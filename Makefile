# `make help` lists the targets.
PYTHON ?= python3
VENV ?= .venv
CONSTRAINTS ?= constraints.txt
# For CUDA: make demo TORCH="torch==2.13.0+cu130" PIP_ARGS="--extra-index-url ..."
TORCH ?= torch==2.13.0
PIP_ARGS ?=
OUT ?= out
PHOTOS ?=
PHOTO ?=
SEED ?= 1
MINUTES ?= 60
ROWS ?= 1000000
EARLIER ?=
# Docker Compose 2.20 or newer; podman's socket also works (DOCKER_HOST).
COMPOSE ?= docker compose

PEERS = litserve bentoml ray
CHECKOV = checkov==3.3.30
PACKAGING = build==1.6.1 twine==7.0.0
BIN = $(VENV)/bin
INSTALL = $(BIN)/pip install --quiet --disable-pip-version-check -c $(CONSTRAINTS) $(PIP_ARGS)

# Tests start a hundred processes; without bytecode, each would compile everything again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo stack install test all-tests chaos soak migration-check bench bench-review bench-peers lint format \
	typecheck unit up live submit down chart test-containers docs translations site caller package constraints \
	checkov image-lock clean

help: ## Show this help
	@echo "Usage: make TARGET [NAME=value ...]"
	@echo
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | \
		awk '{ split($$0, part, /:.*## /); printf "  %-15s %s\n", part[1], part[2] }'
	@echo
	@echo "  VENV=$(VENV)  PYTHON=$(PYTHON)  TORCH=$(TORCH)  CONSTRAINTS=$(CONSTRAINTS)"

demo: $(VENV)/.stack ## Examine photos with the whole stack: PHOTOS=folder|glob|file OUT=out
	@$(BIN)/damage-tasks demo --photos "$(PHOTOS)" --out "$(OUT)"

stack: $(VENV)/.stack ## Run a queue, object store, database and worker until Ctrl-C
	@$(BIN)/damage-tasks stack

test: $(VENV)/.dev lint ## Run everything: ruff, mypy and all tests, with their coverage
	@$(MAKE) --no-print-directory -j 2 typecheck all-tests \
		COVERAGE="--cov --cov-report=term:skip-covered"

all-tests: $(VENV)/.dev ## Run all tests without ruff and mypy, or some: ARGS="tests/helm -k autoscaling"
	@sh tests/install.sh
	@$(BIN)/python -m pytest -n auto --dist loadgroup $(COVERAGE) $(ARGS)

unit: $(VENV)/.dev ## Run the tests that need no server, in less than a minute: ARGS="-k reused"
	@$(BIN)/python -m pytest -n logical --dist loadgroup -m "not server and not slow" $(ARGS)

chaos: $(VENV)/.dev ## Inject failures while photos arrive, and count the results: PHOTOS=500 SEED=1
	@$(BIN)/python -m tools.chaos --photos $(or $(PHOTOS),500) --seed $(SEED)

soak: $(VENV)/.dev ## Run for an hour while parts restart, and check that nothing grows: MINUTES=60
	@$(BIN)/python -m tools.soak --minutes $(MINUTES) $(ARGS)

migration-check: $(VENV)/.dev ## Upgrade a large database under load and watch its locks: ROWS=1000000 EARLIER=COMMIT
	@$(BIN)/python -m tools.migration_check --rows $(ROWS) --earlier "$(EARLIER)"

lint: $(VENV)/.dev ## Check style
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports --no-cache --no-logo

typecheck: $(VENV)/.dev ## Check types
	@$(BIN)/mypy

format: $(VENV)/.dev ## Format the code
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: $(VENV)/.dev ## Measure speed and memory on this machine, half an hour: ARGS="--only ab --seconds 4"
	@$(BIN)/python -m benchmarks $(ARGS)

bench-review: $(VENV)/.dev ## Measure the inspectors' page with 1,000,000 inspections, five minutes
	@$(BIN)/python -m benchmarks.review_page_speed $(ARGS)

bench-peers: $(VENV)/.dev $(PEERS:%=var/peers/%/.ready) ## Compare with BentoML, LitServe and Ray Serve, a quarter of an hour
	@$(BIN)/python -m benchmarks.peers $(ARGS)

# Each has its own environment, because their requirements differ.
var/peers/%/.ready: setup.cfg
	@echo "installing $* into var/peers/$* (a few minutes)"
	@$(PYTHON) -m venv var/peers/$*
	@var/peers/$*/bin/pip install --quiet --disable-pip-version-check $(PIP_ARGS) "$(TORCH)" \
		-e '.[worker,openvino]' "$*$(if $(filter ray,$*),[serve])"
	@touch $@

docs: $(VENV)/.dev ## Generate the pages in docs/reference, and compile the definition of compact messages
	@$(BIN)/python -m tools.reference_pages
	@$(BIN)/python -m tools.compiled_schema

translations: $(VENV)/.dev ## Update the catalogues of the page and of evidence, or add a language: TAG=de
	@$(BIN)/python -m tools.translations $(TAG)

site: $(VENV)/.dev ## Build the documentation site into var/site
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet
	@echo "open var/site/index.html"

# -I: from the installed package, not from this folder. A stale build/ would go into the package.
caller: ## Check what `pip install damage-tasks` gives a caller: PYTHON=python3.13
	@rm -rf build
	@$(PYTHON) -m venv --clear var/caller
	@var/caller/bin/pip install --quiet --disable-pip-version-check -c $(CONSTRAINTS) $(PIP_ARGS) .
	@var/caller/bin/python -I -W error tools/caller.py

# A stale build/ or dist/ would be published.
package: ## Build the wheel and the source archive, without weights, into dist/ and check them
	@rm -rf build dist
	@$(PYTHON) -m venv --clear var/package
	@var/package/bin/pip install --quiet --disable-pip-version-check -c $(CONSTRAINTS) $(PIP_ARGS) $(PACKAGING)
	@var/package/bin/python -m build --quiet --outdir dist
	@var/package/bin/twine check --strict dist/*
	@var/package/bin/python tools/package_contents.py dist/*

up: ## Run the whole stack in containers: queue, object store, database, worker, pages, Grafana
	@$(COMPOSE) ps --quiet | grep -q . || $(PYTHON) deploy/docker/check_ports.py
	@$(COMPOSE) up --build --detach --wait
	@echo "Flower http://127.0.0.1:$${FLOWER_PORT:-5555} (operator, $${FLOWER_PASSWORD:-damage})" \
		"Grafana http://127.0.0.1:$${GRAFANA_PORT:-3000}" \
		"review http://127.0.0.1:$${REVIEW_PORT:-5556} (inspector, $${REVIEW_PASSWORD:-damage})"

live: ## Like `up`, with the code of this checkout; the worker and Flower restart on every change
	@$(COMPOSE) -f docker-compose.yml -f deploy/docker/docker-compose.live.yml up --build --watch

submit: ## Send a photo to the containers and wait for the verdict: PHOTO=car.jpg
	@if [ -z "$$PHOTO" ]; then $(COMPOSE) run --rm submit python /docker/upload_and_submit.py; \
	elif [ ! -f "$$PHOTO" ]; then echo "no such photo: $$PHOTO" >&2; exit 1; \
	else name=$$(basename -- "$$PHOTO"); \
		$(COMPOSE) run --rm --volume "$$(realpath -- "$$PHOTO"):/photos/$$name:ro" \
			submit python /docker/upload_and_submit.py "/photos/$$name"; fi

down: ## Finish photos in progress and stop the containers; VOLUMES=--volumes deletes all data
	@$(COMPOSE) --profile "*" down $(VOLUMES)

chart: $(VENV)/.dev ## Generate the files in helm/, then lint and render the chart
	@$(BIN)/python -m tools.chart.generated
	@for helm in helm-3 helm-4; do \
		run=$$($(BIN)/python -m tools.downloaded_programs $$helm) && \
		$$run lint --strict helm --values helm/examples/minimal.yaml && \
		$$run template damage-tasks helm --values helm/examples/minimal.yaml > /dev/null || exit 1; \
	done

test-containers: $(VENV)/.dev ## Build the image and test it with the real compose file (slow)
	@CONTAINERS=1 $(BIN)/python -m pytest tests/containers $(ARGS)

install: $(VENV)/.dev ## Install everything for development

constraints: $(VENV)/.dev ## Write constraints.txt from the installed packages
	@{ grep '^#' constraints.txt; $(BIN)/pip freeze --exclude-editable | grep -v ' @ ' | \
		sed 's/+cpu$$//' | sort -f; } > constraints.new
	@mv constraints.new constraints.txt

# In its own environment, because its requirements differ from ours.
checkov: $(VENV)/.dev ## Check chart, template, images and workflows with checkov (settings: .checkov.yaml)
	@test -x var/checkov/bin/checkov || { $(PYTHON) -m venv var/checkov && \
		var/checkov/bin/pip install --quiet --disable-pip-version-check "$(CHECKOV)"; }
	@rm -rf var/checkov/chart && mkdir -p var/checkov/chart
	@helm=$$($(BIN)/python -m tools.downloaded_programs helm-4) && for values in helm/examples/*.yaml; do \
		$$helm template damage-tasks helm --values $$values > var/checkov/chart/$$(basename $$values) || exit 1; \
	done
	@var/checkov/bin/checkov --config-file .checkov.yaml --framework kubernetes --directory var/checkov/chart
	@var/checkov/bin/checkov --config-file .checkov.yaml --framework dockerfile cloudformation \
		--file Dockerfile deploy/docker/emulator.Dockerfile deploy/cloudformation/damage-tasks.yaml \
		deploy/cloudformation/optional-parts.yaml
	@var/checkov/bin/checkov --config-file .checkov.yaml --framework github_actions --directory .github

image-lock: $(VENV)/.dev ## Lock the image's packages by hash for amd64 and arm64, after `make constraints`
	@$(BIN)/python -m tools.image_wheels

clean: ## Remove the virtual environment and all generated files
	rm -rf $(VENV) var build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	@echo "creating $(VENV)"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.stack: setup.cfg pyproject.toml $(CONSTRAINTS) | $(BIN)/python
	@echo "installing into $(VENV) (a minute or two)"
	@$(INSTALL) "$(TORCH)" -e '.[stack]'
	@touch $@

# Includes everything that the stack needs.
$(VENV)/.dev: setup.cfg pyproject.toml $(CONSTRAINTS) | $(BIN)/python
	@echo "installing into $(VENV) (two or three minutes)"
	@$(INSTALL) "$(TORCH)" -e '.[dev]'
	@$(BIN)/python -m tools.downloaded_programs helm-3 helm-4 > /dev/null
	@touch $(VENV)/.stack $@
