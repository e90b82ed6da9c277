# One word a job; `make` lists them. CI runs the same words.
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo setup fmt fmt-check lint lint-scripts deny build test generate generate-check

BIN := $(or $(CARGO_TARGET_DIR),target)/debug
SPEC ?= manifests/samples/quickstart.yaml
SCRIPTS := .ci/run hack/setup $(addprefix hack/cluster/,build down env go-build in tool up)
# What is built in CI is what is committed.
LOCKED := $(if $(CI),--locked)

help: ## lists these words
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## runs the system on this machine with a web page; needs only cargo (another file: make demo SPEC=FILE)
	cargo build $(LOCKED) --workspace --bins
	$(BIN)/user-info-local $(SPEC)

setup: ## installs what the checks and tests need: servers, a browser, cargo tools; keeps what is there
	hack/setup

fmt: ## formats the Rust code
	cargo fmt --all

fmt-check: ## fails if `make fmt` would change something
	cargo fmt --all --check

lint: fmt-check ## format, clippy and rustdoc, warnings are errors
	cargo clippy $(LOCKED) --workspace --all-targets --all-features -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc $(LOCKED) --workspace --all-features --no-deps --document-private-items

lint-scripts: ## shellcheck on the shell scripts
	shellcheck $(SCRIPTS)

deny: ## licences, sources and banned versions of the dependencies
	@hack/setup cargo
	cargo deny $(LOCKED) check bans licenses sources

# Programs and tests in one go: cargo unites the features of what it builds together, so a build without the tests' dependencies would share
# little with theirs.
build: ## builds the programs and the tests, for `test` and `generate`
	cargo build $(LOCKED) --workspace --all-features --bins --tests

test: setup build ## runs all tests, some against real MariaDB, Redis, Consul, Prometheus and Chromium
	cargo test $(LOCKED) --workspace --all-features --doc
	cargo nextest run $(LOCKED) --workspace --all-features

generate: build ## writes manifests/crd.yaml from the Rust types
	$(BIN)/user-info-operator crd > manifests/crd.yaml.new
	mv manifests/crd.yaml.new manifests/crd.yaml

generate-check: build ## fails if `make generate` would change something
	@$(BIN)/user-info-operator crd | diff -u manifests/crd.yaml - || \
		{ echo "manifests/crd.yaml is not what the code says: make generate"; exit 1; }
