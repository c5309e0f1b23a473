# What is run often. `make` alone lists it.

CARGO ?= cargo

.DEFAULT_GOAL := help
.PHONY: help check fmt fmt-check clippy test verify-isolation verify-lifecycle peers test-live doc bench bench-instructions bench-timing bench-scale bench-peers bench-forward bench-gate run deny

help: ## Lists these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

check: fmt-check clippy test doc ## Everything that must pass before a change is merged

fmt: ## Formats the code
	$(CARGO) fmt

fmt-check:
	$(CARGO) fmt --check

clippy:
	$(CARGO) clippy --all-targets --features live -- -D warnings
	$(CARGO) clippy --bins -- -D warnings

test: ## Runs every test
	$(CARGO) test

verify-isolation: ## Tries what isolation promises on SAMPLES pairs of answers, a million by default
	TENANTDNS_SAMPLES=$(or $(SAMPLES),1000000) $(CARGO) test --profile quick --test it -- --nocapture \
		i3_hidden i11_what in_every_history

verify-lifecycle: ## Changes and restarts a server under QPS queries a second (5000): no query may be lost
	TENANTDNS_QPS=$(or $(QPS),5000) TENANTDNS_RELOADS=$(or $(RELOADS),1000) \
		TENANTDNS_HANDOVERS=$(or $(HANDOVERS),100) $(CARGO) test --profile quick --test it -- --nocapture \
		--test-threads 1 lifecycle::no_query

peers: ## Builds the API server, the CoreDNS and the kustomize of the live tests (needs Go)
	tests/peers/build.sh

test-live: peers ## Runs the tests against a real API server and CoreDNS
	$(CARGO) test --features live --test live

doc:
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --no-deps

bench: ## Runs the benchmarks
	$(CARGO) bench

bench-instructions: ## Counts instructions of a query, hidden names against absent ones (needs valgrind)
	$(CARGO) bench --bench instructions

bench-timing: ## Times answers over UDP, hidden names against absent ones
	$(CARGO) bench --bench timing

bench-scale: peers ## Measures this and CoreDNS on a large cluster (SIZE=small: on a small one)
	$(CARGO) build --release
	benches/scale/scale.py $(if $(SIZE),--size $(SIZE)) $(if $(WRITE),--write)

bench-peers: ## Measures this beside gdnsd, NSD, Knot, CoreDNS (SIZE=large, QUICK=1, WRITE=1)
	$(CARGO) build --release
	benches/peers/peers.py $(if $(SIZE),--size $(SIZE)) $(if $(QUICK),--quick) $(if $(WRITE),--write)

bench-forward: ## Measures forwarded answers beside Unbound and CoreDNS (needs unbound, nsd; WRITE=1)
	$(CARGO) build --release
	benches/peers/forwarded.py $(if $(WRITE),--write)

bench-gate: ## Fails where a query takes more instructions than it did (UPDATE=1: writes what it takes)
	$(CARGO) build --release
	benches/peers/instructions.py $(if $(UPDATE),--update)

run: ## Serves examples/quickstart on 127.0.0.1:5300
	$(CARGO) run --release -- serve --manifests examples/quickstart

deny: ## Checks licenses, bans and sources of the dependencies (needs cargo-deny)
	$(CARGO) deny check bans licenses sources
