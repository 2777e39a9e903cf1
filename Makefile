# run    Redis with the module and two relays; stops all on Ctrl-C
# test   everything that CI runs
# lint   formatting, clippy, workspace lints: warnings are errors
# setup  installs what is missing

SHELL := /bin/sh
export PATH := $(PATH):$(HOME)/.cargo/bin
# Scenarios mostly wait for other processes.
export RUST_TEST_THREADS ?= 4

# One thing after the other, each needs the machine for itself.
.NOTPARALLEL:
.PHONY: run test lint setup unit web build scenarios

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
	@if command -v node >/dev/null 2>&1; then node --test relay/web/test/*.mjs; \
	else echo "node is not installed: skipped relay/web/test"; fi

build:
	cargo build --release -p chat -p chat-relay

scenarios:
	cargo test -p chat-tests --test it

setup:
	@.ci/setup
