# The commands of a checkout. `make image` and `make test` make whatever they need.

RECIPE ?= recipes/debian-12-hd0.yaml
OUTPUT ?= out
# A lacking capability (no guestfs, no test host) fails the tests here; `CI= make test` turns it into a skip.
CI ?= true
# Files of tests that run side by side (a boot takes one processor and a GiB), the long ones, in tests/boot, first.
TEST_JOBS ?= 2

.PHONY: help image test fuzz bench matrix proof hosts container-test check docs deb setup setup-build format clean

# `make` alone says what there is.
help:
	@echo "make image    build and verify $(RECIPE) into $(OUTPUT)/"
	@echo "make test     run every test: unit, integration, boot (about half an hour)"
	@echo "make fuzz     feed every reader of hostile bytes with 5,000 mutations (FUZZ='--count 300 menu'; half an hour)"
	@echo "make matrix   build and boot every layout and filesystem, write docs/matrix.md (some hours without KVM)"
	@echo "make bench    measure imagebuild and its peers, write docs/benchmarks.md (root; hours; BENCH=--quick: half an hour)"
	@echo "make proof    compare our verdicts with a genuine PV-GRUB's (IMAGEBUILD_PV_GRUB), write docs/proof.md"
	@echo "make hosts    run both README commands on bare Debian 12 and 13, write docs/hosts.md (root; some hours)"
	@echo "make container-test   test the Dockerfile and vagrant/ with real containers (half an hour, root)"
	@echo "make check    run linters, types, import contracts and unit tests (about a minute)"
	@echo "make docs     build the documentation as a site: site/index.html"
	@echo "make deb      make a Debian package of imagebuild for this machine's Python: dist/imagebuild_*.deb"
	@echo "make setup    install the Debian packages and .venv/ that all of them need"
	@echo "make format   format the code"
	@echo "make clean    remove .venv/, $(OUTPUT)/ and the tools' caches"

setup:
	@.ci/setup

# What building and verifying needs, without what the tests need; `make test` adds the rest later.
setup-build:
	@IMAGEBUILD_EXTRAS="$${IMAGEBUILD_EXTRAS-}" .ci/setup

image: setup-build
	.venv/bin/imagebuild build $(RECIPE) -o $(OUTPUT)

test: setup
	CI=$(CI) .venv/bin/python -m pytest -n $(TEST_JOBS) --dist loadfile --no-loadscope-reorder

fuzz: setup
	.venv/bin/python -m tests.fuzz.run $(FUZZ)

matrix: setup
	.venv/bin/python -m tools.matrix -o $(OUTPUT)/matrix $(MATRIX)

bench: setup
	.venv/bin/python -m benchmarks.run -o $(OUTPUT)/bench $(BENCH)

hosts: setup
	tools/hosts.py --record $(HOSTS)

container-test: setup
	CI=$(CI) .venv/bin/python -m pytest -m container tests/container

check: setup
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	.ci/check-texts
	.venv/bin/python -m pytest tests/unit

docs: setup
	.venv/bin/python -m imagebuild.cli.manual docs
	NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --strict --quiet

deb: setup-build
	.venv/bin/python tools/deb.py

proof: setup
	.venv/bin/python -m tools.proof.menus
	.venv/bin/python -m tools.proof.fstabs
	.venv/bin/python -m tools.proof

format: setup
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .

clean:
	rm -rf .venv $(OUTPUT) site .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis *.egg-info
