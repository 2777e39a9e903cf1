# run      Redis with the module and two relays; stops all on Ctrl-C
# test     all tests, on the installed Redis; CI runs compat on one Valkey as well
# soak     the scenarios with random traffic, with SOAK times as much of it, round after round for 10 minutes, and fuzz
# fuzz     every fuzz target for a minute each, where cargo-fuzz and a nightly compiler are; else says so
# bench    what everything costs, beside a baseline, and whether within budget: a table after some minutes;
#          BENCH=send,fanout picks, BENCH_FULL=1 takes the largest sizes, BENCH_JSON=path keeps the figures
# lint     formatting, clippy, workspace lints: warnings are errors
# setup    installs what is missing
# servers  fetches other versions of Redis and Valkey into servers/; SERVERS="redis-8.0" picks
# compat   the scenarios on each of them, and a table; COMPAT="valkey-9.1.2 redis-7" picks

SHELL := /bin/sh
export PATH := $(PATH):$(HOME)/.cargo/bin
# Scenarios mostly wait for other processes.
export RUST_TEST_THREADS ?= 4

# One thing after the other, each needs the machine for itself.
.NOTPARALLEL:
.PHONY: run test soak fuzz bench lint setup unit web build scenarios servers compat

run: setup
	@.ci/start

test: setup lint unit web build scenarios

lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --quiet -- -D warnings

# Unit and property tests. The module itself exists only inside Redis: its core is chat-room.
unit:
	cargo test --quiet --workspace --exclude chat-tests
	cargo test --quiet -p chat-tests --lib

web:
	@if command -v node >/dev/null 2>&1; then node --test sdk/tests/*.test.mjs relay/web/tests/*.test.mjs; \
	else echo "node is not installed: skipped the tests of sdk and relay/web"; fi

build:
	cargo build --release -p chat -p chat-relay

scenarios:
	cargo test -p chat-tests --test it

# Each run prints its seed: SEED=… of a failed one, with the same SOAK, makes it again.
soak: export SOAK ?= 10
soak: build fuzz
	@cargo test --quiet -p chat-fuzz -- --nocapture
	@end=$$(($$(date +%s) + 600)); while [ $$(date +%s) -lt $$end ]; do \
		cargo test --quiet -p chat-tests --test it -- --nocapture \
			checked presence::model relay::changes moderation::race followers || exit 1; done

# What is found is kept in fuzz/found; an input that breaks a promise goes to fuzz/artifacts.
fuzz:
	@if cargo +nightly fuzz --version >/dev/null 2>&1; then \
		for target in $$(ls fuzz/corpus); do \
			mkdir -p fuzz/found/$$target; \
			cargo +nightly fuzz run $$target fuzz/found/$$target fuzz/corpus/$$target -- \
				-max_total_time=60 -max_len=8192 || exit 1; \
		done; \
	else echo "cargo-fuzz or a nightly compiler is missing: skipped fuzz/"; fi

# The core by itself first. Nothing fails for being slow.
bench: setup build
	@[ -n "$(BENCH)" ] || cargo bench --quiet -p chat-room --bench core
	@cargo bench --quiet -p chat-tests --bench bench

setup:
	@.ci/setup

servers: setup
	@.ci/servers $(SERVERS)

compat: setup
	@.ci/compat
