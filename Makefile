# `make help` lists what can be done.
PYTHON ?= python3
VENV ?= .venv
CONSTRAINTS ?= constraints.txt
# CUDA users: make demo TORCH="torch==2.13.0+cu130" PIP_ARGS="--extra-index-url ..."
TORCH ?= torch==2.13.0
PIP_ARGS ?=
OUT ?= out
PHOTOS ?=
PHOTO ?=
SEED ?= 1
# Docker Compose 2.20 or newer; over podman's socket too (DOCKER_HOST).
COMPOSE ?= docker compose

PEERS = litserve bentoml ray
BIN = $(VENV)/bin
INSTALL = $(BIN)/pip install --quiet --disable-pip-version-check -c $(CONSTRAINTS) $(PIP_ARGS)

# Tests start a hundred processes; each would compile all of this again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo stack install test chaos bench bench-peers lint format typecheck unit up live \
	submit down chart test-containers docs constraints clean

help: ## Show this help
	@echo "Usage: make TARGET [NAME=value ...]"
	@echo
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | \
		awk '{ split($$0, part, /:.*## /); printf "  %-12s %s\n", part[1], part[2] }'
	@echo
	@echo "  VENV=$(VENV)  PYTHON=$(PYTHON)  TORCH=$(TORCH)  CONSTRAINTS=$(CONSTRAINTS)"

demo: $(VENV)/.stack ## Examine photos through the whole stack: PHOTOS=folder|glob|file OUT=out
	@$(BIN)/damage-tasks demo --photos "$(PHOTOS)" --out "$(OUT)"

stack: $(VENV)/.stack ## Run queue, store, database and worker here until Ctrl-C
	@$(BIN)/damage-tasks stack

test: $(VENV)/.dev lint ## Run everything: ruff, mypy and all tests
	@$(MAKE) --no-print-directory -j 2 typecheck unit

unit: $(VENV)/.dev ## Run the tests alone: ARGS="tests/test_pipeline.py -k reused"
	@sh tests/install.sh
	@$(BIN)/python -m pytest -n auto --dist loadgroup $(ARGS)

chaos: $(VENV)/.dev ## Break everything while photos come in, and count: PHOTOS=500 SEED=1
	@$(BIN)/python -m tests.chaos --photos $(or $(PHOTOS),500) --seed $(SEED)

lint: $(VENV)/.dev ## Check style
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

typecheck: $(VENV)/.dev ## Check types
	@$(BIN)/mypy

format: $(VENV)/.dev ## Format the code
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: $(VENV)/.dev ## Measure speed and memory here, a few minutes: ARGS="--only ab --seconds 4"
	@$(BIN)/python -m benchmarks $(ARGS)

bench-peers: $(VENV)/.dev $(PEERS:%=var/peers/%/.ready) ## The same beside BentoML, LitServe and Ray Serve
	@$(BIN)/python -m benchmarks.peers $(ARGS)

# Each in an environment of its own: their requirements are theirs.
var/peers/%/.ready: setup.cfg
	@echo "installing $* into var/peers/$* (a few minutes)"
	@$(PYTHON) -m venv var/peers/$*
	@var/peers/$*/bin/pip install --quiet --disable-pip-version-check $(PIP_ARGS) "$(TORCH)" \
		-e '.[worker,openvino]' "$*$(if $(filter ray,$*),[serve])"
	@touch $@

docs: $(VENV)/.dev ## Write the generated pages of docs/reference
	@$(BIN)/python -m tests.reference

up: ## Run the whole stack in containers: queue, store, database, worker, Flower, Grafana
	@$(COMPOSE) up --build --detach --wait
	@echo "Flower http://127.0.0.1:$${FLOWER_PORT:-5555} (operator, $${FLOWER_PASSWORD:-damage})" \
		"Grafana http://127.0.0.1:$${GRAFANA_PORT:-3000}"

live: ## As `up`, with the checkout's code; worker and Flower restart at every change
	@$(COMPOSE) -f docker-compose.yml -f deploy/docker/docker-compose.live.yml up --build --watch

submit: ## Send a photo to the containers and wait for its verdict: PHOTO=car.jpg
	@if [ -z "$$PHOTO" ]; then $(COMPOSE) run --rm submit python /docker/submit.py; \
	elif [ ! -f "$$PHOTO" ]; then echo "there is no photo $$PHOTO" >&2; exit 1; \
	else name=$$(basename -- "$$PHOTO"); \
		$(COMPOSE) run --rm --volume "$$(realpath -- "$$PHOTO"):/photos/$$name:ro" \
			submit python /docker/submit.py "/photos/$$name"; fi

down: ## Stop the containers; photos in hand are finished first. VOLUMES=--volumes forgets all
	@$(COMPOSE) --profile "*" down $(VOLUMES)

chart: $(VENV)/.dev ## Write what is generated in helm/, then lint and render it
	@$(BIN)/python -m tests.helm.generated
	@for helm in helm-3 helm-4; do \
		run=$$($(BIN)/python -m tests.programs $$helm) && \
		$$run lint --strict helm --values helm/examples/minimal.yaml && \
		$$run template damage-tasks helm --values helm/examples/minimal.yaml > /dev/null || exit 1; \
	done

test-containers: $(VENV)/.dev ## Build the image and run the compose file for real (slow)
	@CONTAINERS=1 $(BIN)/python -m pytest tests/containers $(ARGS)

install: $(VENV)/.dev ## Install everything for development

constraints: $(VENV)/.dev ## Write constraints.txt from what is installed
	@{ grep '^#' constraints.txt; $(BIN)/pip freeze --exclude-editable | grep -v ' @ ' | \
		sed 's/+cpu$$//' | sort -f; } > constraints.new
	@mv constraints.new constraints.txt

clean: ## Remove the virtual environment and everything generated
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

# Brings all that the stack needs.
$(VENV)/.dev: setup.cfg pyproject.toml $(CONSTRAINTS) | $(BIN)/python
	@echo "installing into $(VENV) (two or three minutes)"
	@$(INSTALL) "$(TORCH)" -e '.[dev]'
	@$(BIN)/python -m tests.programs helm-3 helm-4 > /dev/null
	@touch $(VENV)/.stack $@
