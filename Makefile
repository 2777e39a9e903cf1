SHELL := /bin/sh
# First what .ci/setup has found or fetched: the system's Node may be too old.
export PATH := $(CURDIR)/target/tools/languages/bin:$(PATH):$(HOME)/.cargo/bin
# Scenarios mostly wait for other processes.
export RUST_TEST_THREADS ?= 4

# One target after the other: each needs the machine for itself.
.NOTPARALLEL:
.DEFAULT_GOAL := help
.PHONY: help run run-cluster test lint format unit js build scenarios upgrade-test packages release compat servers soak fuzz bench setup

# A target's help is the text after `##`.
help: ## prints this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "Variables:"
	@awk -F ' *## ' '/^# [A-Z_]+=.* ## / { sub(/^# /, "", $$1); printf "  %-32s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
# REDIS_SERVER=/path/to/program ## run, run-cluster, test: the server to use instead of the installed one
# SERVERS="redis-8.0" ## servers: only these
# COMPAT="valkey-9.1.2 redis-7" ## compat: only servers whose names begin so
# SOAK=20 ## soak: times as much random traffic as in test
# LONG=1 ## scenarios: also those of clusters that take long, as in compat and soak
# SEED=7 ## scenarios, soak: repeats the random traffic of a failed run
# FROM=v1.0.0 ## upgrade-test: the tag or the commit of that version
# MAINTAINER="A <a@b.c>" ## packages: whom they name
# VERSION=1.2.3 ## release: its number
# BENCH=send,fanout ## bench: only these groups
# BENCH_FULL=1 ## bench: the largest sizes too
# OLD_RELAY=path OLD_MODULE=path ## bench, scenarios: an older build, to compare with or to upgrade
# BENCH_JSON=path ## bench: writes the measurements there

run: ## starts Redis with the module and two relays; Ctrl-C stops all
	@.ci/setup run
	@.ci/start

run-cluster: ## the same with a cluster: three primaries, each with a replica
	@.ci/setup run
	@.ci/start cluster

test: setup lint unit js build scenarios ## all tests, on the installed Redis
	@echo "test: all passed"

lint: setup ## formatting, lints, dependencies, shell scripts; warnings are errors
	@.ci/lint

format: setup ## formats Rust, JavaScript and CSS
	cargo fmt --all
	node_modules/.bin/biome check --write

# The module runs only inside Redis. Its core, chat-room, is tested here.
unit: ## unit and property tests
	cargo test --quiet --workspace --exclude chat-tests
	cargo test --quiet -p chat-tests --lib

js: ## tests of the JavaScript client and of the page, on Node
	@node --test sdk/tests/*.test.mjs relay/web/tests/*.test.mjs

build: ## the module and the relay, in target/release
	cargo build --release -p chat -p chat-relay

# What the build wrote is flushed first: it would delay each fsync of the servers.
scenarios: ## tests with real servers, relays and a browser
	cargo test -p chat-tests --test it --no-run
	@sync
	cargo test -p chat-tests --test it -- --skip packages:: --skip images::
	@# Building and installing takes the whole machine.
	cargo test -p chat-tests --test it -- packages::
	cargo test -p chat-tests --test it -- images::

upgrade-test: setup build ## scenarios of upgrades from an older version, and back
	@.ci/upgrade "$(FROM)"

packages: ## a .deb of the module and of the relay, and a tarball, in target/packages
	@.ci/setup packages
	@.ci/packages

release: ## sets the version, dates the changes, commits and tags; publishes nothing
	@.ci/release "$(VERSION)"

compat: setup ## the scenarios on every server version, and a table
	@.ci/compat

servers: setup ## fetches other versions of Redis and Valkey into servers/
	@.ci/servers $(SERVERS)

# Each run prints its seed. The same SEED and SOAK repeat a run.
soak: export SOAK ?= 10
soak: export LONG ?= 1
soak: build fuzz ## all scenarios of clusters; those with random traffic for ten minutes; fuzz
	@cargo test --quiet -p chat-fuzz -- --nocapture
	@cargo test --quiet -p chat-tests --test it -- --nocapture cluster::
	@end=$$(($$(date +%s) + 600)); while [ $$(date +%s) -lt $$end ]; do \
		cargo test --quiet -p chat-tests --test it -- --nocapture \
			checked presence::model relay::changes moderation::race followers || exit 1; done

# New inputs are kept in fuzz/found, inputs that fail in fuzz/artifacts. `make test` runs the same
# targets over fuzz/corpus, on any compiler.
fuzz: ## every fuzz target for a minute; needs cargo-fuzz and a nightly compiler
	@if cargo +nightly fuzz --version >/dev/null 2>&1; then \
		for target in $$(ls fuzz/corpus); do \
			mkdir -p fuzz/found/$$target; \
			cargo +nightly fuzz run $$target fuzz/found/$$target fuzz/corpus/$$target -- \
				-max_total_time=60 -max_len=8192 || exit 1; \
		done; \
	else echo "fuzz: SKIPPED: cargo-fuzz or a nightly compiler is missing"; fi

# Slow results do not fail.
bench: setup build ## measures everything beside a baseline and prints a table
	@[ -n "$(BENCH)" ] || cargo bench --quiet -p chat-room --bench core
	@cargo bench --quiet -p chat-tests --bench bench

setup: ## installs what building, running and testing need
	@.ci/setup test
