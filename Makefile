# The project's commands. Standard output carries results only; progress goes to standard error.

EVENT ?= events/direct.json
FILE ?= events/batch.json
ARCHITECTURE ?= x86_64
BUILD ?= .aws-sam/build

# Make ignores a variable that no recipe reads. With a misspelt one, the wrong picture would be bought.
given = $(filter command,$(origin $(1)))
$(foreach name,event events EVENTS file files FILES list LIST prompt prompts PROMPTS,$(if $(call given,$(name)),\
    $(error $(name) is unknown: EVENT is a file with an event, FILE one with a list, PROMPT a text)))
$(if $(filter run sam-invoke,$(MAKECMDGOALS)),$(if $(call given,FILE),$(error make $(MAKECMDGOALS) takes EVENT, not FILE)))
$(if $(filter batch,$(MAKECMDGOALS)),$(if $(call given,EVENT),$(error make batch takes FILE, not EVENT)))

# Make would expand a `$` in a prompt, and a shell its quotes: the environment carries these values unchanged.
override EVENT := $(value EVENT)
override FILE := $(value FILE)
export EVENT FILE
ifneq ($(origin PROMPT),undefined)
override PROMPT := $(value PROMPT)
export PROMPT
endif

# The account and the stand-in listen on this machine: use no proxy, and none of the user's AWS endpoints.
export NO_PROXY := 127.0.0.1,localhost,$(NO_PROXY)
export no_proxy := 127.0.0.1,localhost,$(no_proxy)
unexport AWS_PROFILE AWS_IGNORE_CONFIGURED_ENDPOINT_URLS
unexport AWS_ENDPOINT_URL_S3 AWS_ENDPOINT_URL_SECRETS_MANAGER AWS_ENDPOINT_URL_SFN

UV = .venv-uv/bin/uv
LOCK = $(UV) pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate --no-emit-index-url $(LOCK_OPTIONS)
# `sam validate` needs a region, but no account.
SAM = SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION=$${AWS_DEFAULT_REGION:-us-east-1} .venv-sam/bin/sam
PYTHON = .venv/bin/python
PYTEST = $(PYTHON) -m pytest --numprocesses auto --dist worksteal --durations 15 --durations-min 1
# Locks that ship, and the one that installs uv, hold hashes.
HASHED_LOCKS = src/requirements src/signing requirements/uv
LOCKS = requirements/runtime-client requirements/local requirements/test requirements/sam requirements/checkov \
    $(basename $(wildcard benchmarks/comparators/*/requirements.in))

help: ## List the commands
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' Makefile | awk -F '|' '{printf "make %-14s %s\n", $$1, $$2}'

run: .venv/.run ## Make one picture: EVENT=events/other.json, PROMPT="another prompt", BUDGET_USD=0.10; OPENAI_API_KEY=… buys it from OpenAI
	@PYTHONPATH=src exec $(PYTHON) -m local.run "$$EVENT"

batch: .venv/.run ## Make a list of pictures with the batch state machine: FILE=list.csv, .json or .jsonl
	@PYTHONPATH=src exec $(PYTHON) -m local.batch "$$FILE"

serve: .venv/.run ## Serve the HTTP API and a page on localhost until Ctrl-C: PORT=8081, LATENCY=40 for a slow stand-in
	@PYTHONPATH=src exec $(PYTHON) -m local.serve

test: .venv/.test .venv-sam/.installed .venv-checkov/.installed ## Run the linters and the fast tests
	@$(MAKE) --no-print-directory --keep-going --jobs 2 test-fast $(LINTERS)

test-all: ## Run the linters and all tests, the slow ones included
	@$(MAKE) --no-print-directory --keep-going test test-slow

test-slow: .venv/.test .venv-sam/.installed ## Run only the slow tests: full proofs, browser, artifact, containers
	@$(PYTEST) -m slow

test-fast: .venv/.test
	@$(PYTEST) -m 'not slow'

lint: .venv/.test .venv-sam/.installed .venv-checkov/.installed ## Run only the linters: ruff, mypy, import-linter, sam, cfn-lint, checkov
	@$(MAKE) --no-print-directory --keep-going --jobs 2 $(LINTERS)

LINTERS = lint-ruff lint-mypy lint-imports lint-sam lint-cfn lint-checkov
ruff = $(PYTHON) -m ruff check --quiet && $(PYTHON) -m ruff format --check --quiet --diff
mypy = $(PYTHON) -m mypy --no-error-summary
imports = PYTHONPATH=src .venv/bin/lint-imports --no-cache
sam = $(SAM) validate --lint
expand = PYTHONPATH=src $(PYTHON) -m local.expand_template
cfn = .venv-sam/bin/cfn-lint template.yaml && $(expand) | .venv-sam/bin/cfn-lint
checkov = mkdir -p .aws-sam && $(expand) >.aws-sam/expanded.json && \
    .venv-checkov/bin/checkov --config-file .checkov.yaml
# The linters run side by side: each one's output appears in one piece, and only if it fails.
$(LINTERS):
	@output=$$( ($($(@:lint-%=%))) 2>&1) || { printf '%s failed:\n%s\n' '$@' "$$output" >&2; exit 1; }; echo '$@: passed' >&2

build: .venv-sam/.installed ## Build the artifact that `sam deploy` uploads: ARCHITECTURE=arm64 for Graviton
	@ARCHITECTURE=$(ARCHITECTURE) $(SAM) build --build-dir '$(BUILD)' --parameter-overrides Architecture=$(ARCHITECTURE)

sam-invoke: .venv/.run .venv-sam/.installed ## Make one picture with `sam local invoke`, in a container: EVENT=…
	@PYTHONPATH=src $(PYTHON) -m local.container_engine
	@$(MAKE) --silent build >&2
	@PYTHONPATH=src exec $(PYTHON) -m local.sam_invoke "$$EVENT" '$(BUILD)'

sam-start-api: .venv/.run .venv-sam/.installed ## Serve the HTTP API with `sam local start-api`, in containers: PORT=3000
	@PYTHONPATH=src $(PYTHON) -m local.container_engine
	@$(MAKE) --silent build >&2
	@PYTHONPATH=src exec $(PYTHON) -m local.sam_start_api '$(BUILD)'

benchmark: .venv/.test .venv-sam/.installed .venv-runtime-client/.installed ## Measure the figures of docs/performance.md on a quiet machine, in about 8 minutes
	@PYTHONPATH=src exec $(PYTHON) -m benchmarks $(OPTIONS)

docs: .venv/.test ## Write the generated documents again
	@PYTHONPATH=src $(PYTHON) -m local.tables

lock: .venv-uv/.installed ## Pin the requirements again: LOCK_OPTIONS=--upgrade takes the newest versions
	@for name in $(HASHED_LOCKS); do $(LOCK) --generate-hashes $$name.in --output-file $$name.txt >/dev/null || exit 1; done
	@for name in $(LOCKS); do $(LOCK) $$name.in --output-file $$name.txt >/dev/null || exit 1; done

clean: ## Remove environments, builds and caches; pictures in out/ stay
	@rm -rf .venv .venv-sam .venv-runtime-client .venv-checkov .venv-uv .aws-sam
	@rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
	@if [ -d out ]; then echo 'out/ stays: it may hold pictures that you paid for. `make clean-all` removes it too.' >&2; fi

clean-all: clean ## Remove out/ too, with its pictures
	@rm -rf out

.PHONY: help run batch serve test test-all test-slow test-fast lint $(LINTERS) build sam-invoke sam-start-api benchmark docs lock \
    clean clean-all

# --- Environments: made once, and completed when a lock changes -----------------------------------------------------

# $(call install,ENVIRONMENT,PYTHON,LOCKS): uv reads no pip configuration; an index of pip's is passed on.
define install
@$(1)/bin/python -c '' 2>/dev/null || $(UV) venv --quiet --no-project --clear --python "$(2)" $(1)
@echo 'Installing $(3) into $(1) (once) …' >&2
@index=$${PIP_INDEX_URL:-$$(.venv-uv/bin/python -m pip config get global.index-url 2>/dev/null)}; \
  $(UV) pip install --quiet --python $(1) $${index:+--default-index "$$index"} $(3:%=--requirement %) >&2
@touch $@
endef

.venv/.run: src/requirements.txt requirements/local.txt | .venv-uv/.installed
	$(call install,.venv,.venv-uv/bin/python,$^)

.venv/.test: requirements/test.txt | .venv/.run
	$(call install,.venv,.venv-uv/bin/python,$^)

# The runtime's own Python version: its tests run the artifact as Lambda does.
.venv-runtime-client/.installed: requirements/runtime-client.txt | .venv-uv/.installed
	@$(MAKE) --silent --directory src python313 >/dev/null
	$(call install,$(@D),$$($(MAKE) --silent --directory src python313),$^)

.venv-%/.installed: requirements/%.txt | .venv-uv/.installed
	$(call install,$(@D),.venv-uv/bin/python,$^)

# The first interpreter that runs (a pyenv shim may not), is new enough and can make an environment, installs uv.
.venv-uv/.installed: requirements/uv.txt
	@for python in python3.13 python3.12 python3.11 python3; do \
	  version=$$($$python -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue; \
	  $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { old=$$version; continue; }; \
	  $$python -c 'import ensurepip, venv' 2>/dev/null || { bare=$$version; continue; }; \
	  echo "Making the environments with Python $$version (once) …" >&2; \
	  exec $$python -m venv --clear $(@D) >&2; \
	done; \
	if [ "$$bare" ]; then \
	  echo "Python $$bare has no venv module: install it (Debian, Ubuntu: apt-get install python$$bare-venv)." >&2; \
	else \
	  echo "Python 3.11 or newer is needed, found $${old:-none}: install one" \
	    "(Debian, Ubuntu: apt-get install python3 python3-venv; macOS: brew install python@3.13)." >&2; \
	fi; exit 1
	@$(@D)/bin/python -m pip install --disable-pip-version-check --no-input --quiet --quiet --require-hashes -r $< >&2
	@touch $@
