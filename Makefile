# A target for each task; `make` lists them. CI runs the same targets.
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo setup bench bench-build bench-check fmt fmt-check lint lint-scripts lint-docs lint-rings lint-charts deny build test soak peers test-docs pictures generate generate-check install images e2e kind cluster test-cluster test-rights test-many sbom

TARGET := $(or $(CARGO_TARGET_DIR),target)
BIN := $(TARGET)/debug
SPEC ?= manifests/samples/quickstart.yaml
PREFIX ?= /usr/local
SCRIPTS := .ci/run e2e/run e2e/tutorial hack/setup hack/try $(addprefix hack/cluster/,build down env go-build in tool up) $(addprefix hack/images/,libraries pack rootfs) \
	$(addprefix hack/charts/,images mariadb-entrypoint) $(addprefix hack/peers/,consul consul-api env grpc-health-probe grpc-js grpcio grpcurl h2spec promtool real-consul run schemathesis)
# What is built in CI is what is committed.
LOCKED := $(if $(CI),--locked)
# Built together, so that what they share is built once with the same features.
RELEASED := -p user-info-services -p user-info-operator -p user-info-bench

help: ## lists the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

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
	# With the examples it needs the features that the tests need, as clippy does: dependencies are checked once.
	RUSTDOCFLAGS="-D warnings" cargo doc $(LOCKED) --workspace --all-features --lib --examples --bin user_info --bin user_client --bin user-info-reference --no-deps --document-private-items

lint-scripts: ## shellcheck on the shell scripts
	shellcheck $(SCRIPTS)

lint-docs: ## fails if a page names a file or a test that is not there
	hack/docs/paths

lint-rings: ## fails if modules of a crate import each other in a ring
	hack/rings --self-test
	hack/rings

lint-charts: ## the charts' templates, rules and dashboards by Helm and promtool, and by the API server if a cluster is up
	hack/charts/common --check
	hack/charts/lint

deny: ## licences, sources and banned versions of the dependencies
	@hack/setup cargo
	cargo deny $(LOCKED) check bans licenses sources

sbom: ## what the programs and charts are made of, in CycloneDX 1.5, into target/sbom.json
	hack/sbom $(TARGET)/sbom.json

# Programs and tests in one go: cargo unites the features of what it builds together, so a build without the tests' dependencies would share
# little with theirs.
build: ## builds the programs and the tests, for `test` and `generate`
	cargo build $(LOCKED) --workspace --all-features --bins --tests --examples

test: setup build ## runs all tests, some against real MariaDB, Redis, Consul, Prometheus and Chromium
	cargo test $(LOCKED) --workspace --all-features --doc
	cargo nextest run $(LOCKED) --workspace --all-features

soak: setup build ## random faults for SECONDS (120), and what always has to hold checked after each; SEED repeats a run
	SOAK_SECONDS=$(or $(SECONDS),120) SOAK_SEED=$(SEED) cargo test $(LOCKED) --workspace --all-features --test faults -- \
		--ignored --exact --nocapture soak::random_faults_leave_the_system_as_it_was

peers: build ## tools that others wrote against the programs: h2spec, schemathesis, grpcurl, Consul's library…; QUICK=1 those that take seconds, TOOLS some
	QUICK=$(QUICK) hack/peers/run $(BIN) $(TOOLS)

test-docs: build ## does what docs/tutorial.md says on this machine, and compares what it prints
	hack/docs/run

pictures: build ## the same, and takes the tutorial's pictures anew
	hack/docs/run --pictures

# A cluster of its own, so that nothing else is in the way; it is taken down whatever comes of the tests.
test-cluster: export NS := operator-test
test-cluster: export RUN := /run/operator-test
test-cluster: build ## runs the operator's tests against a real API server, which it starts and stops
	hack/cluster/tool helm
	hack/cluster/tool registry
	hack/cluster/up --control-plane
	USER_INFO_TEST_KUBECONFIG=$$RUN/kubeconfig hack/cluster/in \
		cargo test --offline --workspace --all-features --test cluster -- --ignored $(or $(TESTS),--skip many::); \
		status=$$?; hack/cluster/down; exit $$status

# On a cluster of its own, since it writes down what the operator asks of the API server.
test-rights: export NS := rights-test
test-rights: export RUN := /run/rights-test
test-rights: build ## every request of the operator against the chart's rules: none denied, and no right that is never used
	hack/cluster/up --control-plane
	HELM=$$(hack/cluster/tool helm) hack/cluster/in python3 e2e/rights.py $(BIN)/user-info-operator; \
		status=$$?; hack/cluster/down; exit $$status

test-many: export TESTS := many:: --nocapture
# Else the cluster itself takes many minutes to come to rest.
test-many: export CONTROLLER_MANAGER_OPTIONS := --kube-api-qps=200 --kube-api-burst=400
test-many: export USER_INFO_TEST_RESOURCES := $(RESOURCES)
test-many: ## RESOURCES (1000) at once, on a machine that does nothing else: time and memory of the operator; all 1000 with the program as it is shipped
ifeq ($(RESOURCES),)
	cargo build $(LOCKED) --release --bins $(RELEASED)
	USER_INFO_TEST_OPERATOR=$(abspath $(TARGET))/release/user-info-operator $(MAKE) --no-print-directory test-cluster
else
	$(MAKE) --no-print-directory test-cluster
endif

generate: build ## writes manifests/crd.yaml, the chart's copy, what charts have in common and docs/reference from their sources
	hack/charts/common
	$(BIN)/user-info-operator crd > manifests/crd.yaml.new
	mv manifests/crd.yaml.new manifests/crd.yaml
	cp manifests/crd.yaml charts/user-info-operator/crd.yaml
	$(BIN)/user-info-reference pages

generate-check: build ## fails if `make generate` would change something
	@hack/charts/common --check
	@for file in manifests/crd.yaml charts/user-info-operator/crd.yaml; do \
		$(BIN)/user-info-operator crd | diff -u $$file - || { echo "$$file is not what the code says: make generate"; exit 1; }; done
	@$(BIN)/user-info-reference pages --check

install: ## installs the programs, man pages and shell completions below PREFIX (/usr/local); DESTDIR is put before it
	cargo build $(LOCKED) --release --bins --workspace
	install -D -t $(DESTDIR)$(PREFIX)/bin $(addprefix $(TARGET)/release/,user_info user_client user-info-local user-info-operator)
	$(TARGET)/release/user-info-reference share $(DESTDIR)$(PREFIX)/share

images: ## packs the container images into target/images, without Docker
	cargo build $(LOCKED) --release --bins -p user-info-services -p user-info-operator
	hack/images/pack --out $(TARGET)/images $(TARGET)/release

bench: setup ## measures the services against a bare tonic handler and plain pooled reads; docs/performance.md explains the tables
	cargo build $(LOCKED) --release --bins $(RELEASED)
	bench/run
	bench/syscalls
	bench/footprint
	bench/workers
	bench/reads
	bench/scenarios
	bench/instructions

# As they are shipped: without link-time optimisation tonic takes two thirds more instructions, and ratios to it say nothing.
# Linking one of them takes a minute.
bench-build:
	cargo build $(LOCKED) --release -p user-info-services -p user-info-bench $(addprefix --bin ,user_info user_client user-info-bench)

bench-check: bench-build ## fails if a call takes more than 5 % more instructions than bench/instructions.json says, or the bench does not run
	bench/instructions --check
	bench/run --rounds 1 --rates 2000 --seconds 1 --variants bare,memory,full --json /dev/null

e2e: build ## checks chart, operator and system in the cluster of KUBECONFIG; unset, in one that it starts itself (see e2e/run)
	e2e/run $(BIN)

kind: images ## a kind cluster with operator and quickstart, its ports on 127.0.0.1; needs Docker, kind, kubectl and Helm
	kind get clusters | grep -qx user-info || kind create cluster --name user-info --config manifests/kind.yaml
	for image in $(TARGET)/images/*.tar; do kind load image-archive --name user-info $$image || exit; done
	kubectl config use-context kind-user-info
	hack/try

cluster: build ## the same on the bundled cluster, without Docker: needs Linux, root and Go; `hack/cluster/down` ends it
	hack/cluster/up
	hack/images/pack $(BIN)
	hack/charts/images --stand-in consul prometheus
	hack/cluster/in hack/try
