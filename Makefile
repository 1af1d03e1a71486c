# make tables     make the environment, run the pipeline, print the headline table
# make test       make the environment, lint, run the fast tests: three to six minutes on two cores
# make test-all   the same and the slow tests: kills, full disks, reruns, the paper's run on a few items, SLURM
# make gpu-check  the tests that need a GPU; make gpu-measure   these, make bench and the miniature on it
# make preflight CONFIG=config/paper.yaml   say which data are here, what the run costs and what can run now
# make bench           time the published fine-tuning loop and ours: a quarter of an hour on two cores
# make bench-fetch     time img2dataset and our fetch: ten minutes
# make bench-results   time tables, figures and report of a run of the paper's size: five minutes
# make bench-scaling   time and memory of planning and loading as the data grow: two minutes
# make faults     kill a small run in every stage, fill its disk, protect it, end it by SIGTERM: half an hour
# make fuzz COUNT=10000   give every reader so many damaged files
# make audit      ask for known vulnerabilities of the locked packages; make licences   list their licences
CORES ?= 8
PYTHON ?= python3
CONFIG ?=

ENVIRONMENT := .venv/.complete
export PATH := $(CURDIR)/.venv/bin:$(PATH)
SHELL := bash
.SHELLFLAGS := -euo pipefail -c

.PHONY: tables test test-all gpu-check gpu-measure lint preflight bench bench-fetch bench-results bench-scaling faults fuzz readme lock audit licences clean

tables: $(ENVIRONMENT)
	snakemake --cores $(CORES) --quiet rules --rerun-incomplete $(if $(CONFIG),--configfile $(CONFIG))
	@python -m pipeline_lib.paper.headline --tables results/tables.parquet
	@echo "All tables: results/tables.parquet, results/tables/   Figures: results/figures/   Report: results/report.html"

# FLAGS="--hash" compares the hashes of large files too. Where Snakemake refuses the configuration it is asked again,
# since --quiet all hides why.
preflight: $(ENVIRONMENT)
	@export PREFLIGHT_FLAGS="$(FLAGS)"; \
	ask="snakemake --cores 1 $(if $(CONFIG),--configfile $(CONFIG))"; \
	$$ask --quiet all -- preflight || { $$ask --dry-run --quiet -- preflight; exit 1; }

test: $(ENVIRONMENT) lint
	python -m pytest -n logical --dist loadfile

# What kills jobs or starts a SLURM has the machine for itself.
test-all: $(ENVIRONMENT) lint
	python -m pytest -n logical --dist loadfile -m "not slurm and not faults" --files 200
	python -m pytest -m "slurm or faults"

gpu-check: $(ENVIRONMENT)
	python -m pytest -v -m gpu -W default -rs --durations=5 tests/test_gpu.py $(FLAGS)

gpu-measure: $(ENVIRONMENT)
	bench/gpu.sh

lint: $(ENVIRONMENT)
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile workflow/rules
	snakemake --lint --quiet

# FLAGS are those of bench/speed.py, such as FLAGS="--models tiny" or FLAGS="--sugarcrepe data/sugarcrepe".
bench: $(ENVIRONMENT)
	python -m bench.speed $(FLAGS)

# img2dataset goes into a virtual environment of its own; FLAGS="--venv FOLDER" says where.
bench-fetch: $(ENVIRONMENT)
	python -m bench.fetch $(FLAGS)

# FLAGS="--folder FOLDER" says where the generated scores go (0.5 GB).
bench-results: $(ENVIRONMENT)
	python -m bench.results $(FLAGS)

# FLAGS are those of bench/scaling.py, such as FLAGS="--rows 1000000".
bench-scaling: $(ENVIRONMENT)
	python -m bench.scaling $(FLAGS)

# FLAGS="--kills 40 --seed 1" kills more often and at other moments. Mounting disks takes root.
faults: $(ENVIRONMENT)
	python -m pytest -s -m faults tests/test_kills.py tests/test_disks.py --kills 26 $(FLAGS)

fuzz: $(ENVIRONMENT)
	python -m pytest -n logical tests/test_fuzz.py::test_a_damaged_file_is_read_or_refused_with_words --files $(or $(COUNT),10000) $(FLAGS)

# The README's table and figure, from the last run.
readme: $(ENVIRONMENT)
	python -m pipeline_lib.paper.headline --tables results/tables.parquet --figure results/figures/intro.svg \
		--record results/miniature/finetune/conclip-rn-s0/run.json --published config/published.tsv \
		--readme README.md --copy docs/intro.svg

# Byte code is compiled once here: every job of the pipeline starts a Python, and without it imports take twice as long.
$(ENVIRONMENT): pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; v = sys.version_info; (3, 11) <= v < (3, 14) or sys.exit(f"Python 3.11, 3.12 or 3.13 is needed, found {v.major}.{v.minor}; name one: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install -qq --disable-pip-version-check --constraint requirements.lock --editable '.[dev]'
	.venv/bin/python -m compileall -q .venv/lib > /dev/null || true
	touch $@

# They have an environment of their own: they would bring packages into the one that they look at.
TOOLS := .venv-tools/.complete
$(TOOLS): Makefile
	$(PYTHON) -m venv .venv-tools
	.venv-tools/bin/python -m pip install -qq --disable-pip-version-check pip-audit==2.10.1 pip-licenses==5.5.5 uv==0.13.9
	touch $@

# Chooses versions for what pyproject.toml names: those in requirements.lock, unless FLAGS="--upgrade" or "--upgrade-package X".
# The conda environment is the same without what only tests need.
lock: $(TOOLS)
	.venv-tools/bin/uv pip compile -q --universal --all-extras --no-annotate --custom-compile-command "make lock" $(FLAGS) \
		--output-file requirements.lock pyproject.toml
	{ grep -B 99 "pip:$$" environment.yml; .venv-tools/bin/uv pip compile -q --universal --extra slurm --extra storage --extra transformers --extra tensorboard \
		--no-annotate --no-header --constraint requirements.lock pyproject.toml | sed "s/.*/      - \"&\"/"; } > environment.yml.new
	mv environment.yml.new environment.yml

# Needs the network; a package that the database does not know is an error, not a pass.
audit: $(TOOLS)
	.venv-tools/bin/pip-audit --strict --no-deps --disable-pip --requirement requirements.lock

licences: $(ENVIRONMENT) $(TOOLS)
	.venv-tools/bin/pip-licenses --python .venv/bin/python --with-system --ignore-packages conclip-pipeline pip setuptools --format markdown \
		--output-file docs/licences.md

clean:
	find results -mindepth 1 -not -name README.md -delete
