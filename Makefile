# Every command of the project. Standard output is kept for what a command answers; set-up is told on standard error.

EVENT ?= events/direct.json
FILE ?= events/batch.json
ARCHITECTURE ?= x86_64
BUILD ?= .aws-sam/build

# Make would expand a `$` in a prompt, and a shell its quotes: these values travel untouched, in the environment.
override EVENT := $(value EVENT)
override FILE := $(value FILE)
export EVENT FILE
ifneq ($(origin PROMPT),undefined)
override PROMPT := $(value PROMPT)
export PROMPT
endif

# The account and the stand-in are on this machine: no proxy leads to them, and nothing of the user's leads elsewhere.
export NO_PROXY := 127.0.0.1,localhost,$(NO_PROXY)
export no_proxy := 127.0.0.1,localhost,$(no_proxy)
unexport AWS_PROFILE AWS_IGNORE_CONFIGURED_ENDPOINT_URLS
unexport AWS_ENDPOINT_URL_S3 AWS_ENDPOINT_URL_SECRETS_MANAGER AWS_ENDPOINT_URL_SFN

# `sam validate` wants a region, and no account.
SAM = SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION=$${AWS_DEFAULT_REGION:-us-east-1} .venv-sam/bin/sam
PYTHON = .venv/bin/python
PIP_OPTIONS = --disable-pip-version-check --no-input --quiet --quiet
LOCK = .venv-lock/bin/uv pip compile --quiet --universal --python-version 3.11 --no-header --no-emit-index-url $(LOCK_OPTIONS)

.PHONY: help
help: ## List the commands
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' Makefile | awk -F '|' '{printf "make %-10s %s\n", $$1, $$2}'

.PHONY: run
run: .venv/.run ## Make one picture: EVENT=events/other.json, PROMPT="another prompt"; OPENAI_API_KEY=… buys it from OpenAI
	@PYTHONPATH=src $(PYTHON) -m local.run "$$EVENT"

.PHONY: batch
batch: .venv/.run ## Make a list of pictures, by the state machine that AWS would run: FILE=list.csv, .json or .jsonl
	@PYTHONPATH=src $(PYTHON) -m local.batch "$$FILE"

.PHONY: serve
serve: .venv/.run ## Serve the HTTP API and a page on localhost until Ctrl-C: PORT=8081, LATENCY=40 for a slow stand-in
	@PYTHONPATH=src $(PYTHON) -m local.serve

.PHONY: test
test: lint ## Lint, check the types, run every test
	@echo 'pytest' >&2
	@$(PYTHON) -m pytest

.PHONY: lint
lint: .venv/.test .venv-sam/.installed .venv-checkov/.installed ## Only the linters: ruff, mypy, sam validate, cfn-lint, checkov
	@echo 'ruff' >&2
	@$(PYTHON) -m ruff check --quiet
	@$(PYTHON) -m ruff format --check --quiet
	@echo 'mypy' >&2
	@$(PYTHON) -m mypy --no-error-summary
	@echo 'sam validate --lint' >&2
	@$(SAM) validate --lint
	@echo 'cfn-lint' >&2
	@.venv-sam/bin/cfn-lint template.yaml
	@echo 'checkov' >&2
	@mkdir -p .aws-sam && $(PYTHON) -m tests.template.everything >.aws-sam/everything.json
	@.venv-checkov/bin/checkov --config-file .checkov.yaml

.PHONY: build
build: .venv-sam/.installed ## Build the artifact that `sam deploy` uploads: ARCHITECTURE=arm64 for Graviton
	@ARCHITECTURE=$(ARCHITECTURE) $(SAM) build --build-dir '$(BUILD)' --parameter-overrides Architecture=$(ARCHITECTURE)

.PHONY: sam-invoke
sam-invoke: .venv/.run .venv-sam/.installed ## Make one picture by the real `sam local invoke`, in a container: EVENT=…
	@$(PYTHON) -m local.container_engine
	@$(MAKE) --silent build >&2
	@PYTHONPATH=src $(PYTHON) -m local.sam_invoke "$$EVENT" '$(BUILD)'

.PHONY: sam-start-api
sam-start-api: .venv/.run .venv-sam/.installed ## Serve the HTTP API by the real `sam local start-api`, in containers: PORT=3000
	@$(PYTHON) -m local.container_engine
	@$(MAKE) --silent build >&2
	@PYTHONPATH=src $(PYTHON) -m local.sam_start_api '$(BUILD)'

.PHONY: benchmark
benchmark: .venv/.test .venv-sam/.installed .venv-runtime-client/.installed .aws-sam/benchmark/.comparators ## Measure what docs/performance.md tells, in some twenty minutes on a quiet machine: OPTIONS="--only calls"
	@$(SAM) build GenerateImageFunction --build-dir .aws-sam/benchmark/ours >/dev/null
	@PYTHONPATH=src $(PYTHON) -m benchmarks $(OPTIONS)

.PHONY: lock
lock: .venv-lock/.installed ## Pin the requirements again: LOCK_OPTIONS=--upgrade takes the newest
	@cd requirements && for name in runtime signing runtime-client local test sam checkov lock; do \
	  case $$name in runtime) output=../src/requirements.txt ;; signing) output=../src/signing.txt ;; *) output=$$name.txt ;; esac; \
	  echo "$$name.in" >&2; ../$(LOCK) $$name.in --output-file $$output >/dev/null || exit 1; \
	done
	@for directory in benchmarks/comparators/*/; do \
	  echo "$${directory}requirements.in" >&2; (cd $$directory && ../../../$(LOCK:3.11=3.13) requirements.in \
	    --output-file requirements.txt >/dev/null) || exit 1; \
	done

.PHONY: clean
clean: ## Remove everything that make made
	@rm -rf .venv .venv-sam .venv-runtime-client .venv-checkov .venv-lock .aws-sam .mypy_cache .ruff_cache .pytest_cache .hypothesis out
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- Set-up, done again only when a requirements file changes -------------------------------------------------------

.venv/.run: src/requirements.txt requirements/local.txt
	$(call environment,.venv)
	@echo 'Installing what `make run` needs into .venv (once) …' >&2
	@$(PYTHON) -m pip install $(PIP_OPTIONS) -r src/requirements.txt -r requirements/local.txt >&2
	@touch $@

.venv/.test: .venv/.run requirements/test.txt
	@echo 'Installing what `make test` needs into .venv (once) …' >&2
	@$(PYTHON) -m pip install $(PIP_OPTIONS) -r requirements/test.txt >&2
	@touch $@

# The artifact's own Python: what runs it in its tests runs it as Lambda does.
.venv-runtime-client/.installed: requirements/runtime-client.txt
	@python=$$($(MAKE) --silent --directory src python313) && "$$python" -m venv --clear $(@D) >&2
	@echo 'Installing $< into $(@D) (once) …' >&2
	@$(@D)/bin/python -m pip install $(PIP_OPTIONS) -r $< >&2
	@touch $@

# What the benchmark compares with, as `sam build` packages it by default and as well as the artifact is.
.aws-sam/benchmark/.comparators: $(wildcard benchmarks/comparators/*/*) benchmarks/comparators/template.yaml benchmarks/artifacts.py \
    src/Makefile src/trim_botocore.py
	@echo 'Building what the benchmark compares with (once) …' >&2
	@python=$$($(MAKE) --silent --directory src python313) && export PATH="$$(dirname "$$python"):$$PATH" && \
	  $(SAM) build --template benchmarks/comparators/template.yaml --build-dir $(@D)/default >&2
	@PYTHONPATH=src $(PYTHON) -m benchmarks.artifacts
	@touch $@

.venv-%/.installed: requirements/%.txt
	$(call environment,.venv-$*)
	@echo 'Installing requirements/$*.txt into .venv-$* (once) …' >&2
	@.venv-$*/bin/python -m pip install $(PIP_OPTIONS) -r $< >&2
	@touch $@

# A virtual environment by the first interpreter that runs (a pyenv shim may not), is new enough and can make one.
define environment
@if $(1)/bin/python -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then exit 0; fi; \
for python in python3.13 python3.12 python3.11 python3; do \
  version=$$($$python -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue; \
  $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { old=$$version; continue; }; \
  $$python -c 'import ensurepip, venv' 2>/dev/null || { bare=$$version; continue; }; \
  echo "Making $(1) with Python $$version (once) …" >&2; \
  exec $$python -m venv --clear $(1) >&2; \
done; \
if [ "$$bare" ]; then \
  echo "Python $$bare has no venv module: install it (Debian, Ubuntu: apt-get install python$$bare-venv)." >&2; \
else \
  echo "Python 3.11 or newer is needed, found $${old:-none}: install one" \
    "(Debian, Ubuntu: apt-get install python3 python3-venv; macOS: brew install python@3.13)." >&2; \
fi; \
exit 1
endef
