#!/bin/bash
# Builds the fuzz targets (fuzz/) and runs each of them for a while:
#
#   scripts/fuzz.sh [SECONDS [TARGET...]]      8 seconds each, all of them
#
# It starts from the format's fixtures, fuzz/seeds and what earlier runs found worth keeping
# (target/fuzz/corpus). A panic, an answer that takes 5 s, 512 MiB of memory, or 64 MiB at once end
# the run; then it prints where the input lies. To run one again:
#
#   target/fuzz/x86_64-unknown-linux-gnu/release/TARGET INPUT
#
# cargo-fuzz is installed if it is missing. The sanitizer is a nightly feature of the compiler; the
# flag that lets the installed one use it touches nothing but this build.
set -euo pipefail
cd "$(dirname "$0")/.."
version=0.13.2
seconds=${1:-8}
shift || true
out=${CARGO_TARGET_DIR:-target}/fuzz
mkdir -p "$out"
out=$(realpath "$out")
fail() {
  echo "fuzz: $1" >&2
  exit 1
}

if [ "$(cargo fuzz --version 2>/dev/null)" != "cargo-fuzz $version" ]; then
  cargo install --quiet --locked cargo-fuzz --version "$version" ||
    fail "cargo-fuzz $version cannot be installed"
fi
# cargo-fuzz has no --locked of its own.
cargo metadata --quiet --locked --format-version 1 --manifest-path fuzz/Cargo.toml > /dev/null ||
  fail "fuzz/Cargo.lock is not up to date: run cargo metadata --manifest-path fuzz/Cargo.toml"
export RUSTC_BOOTSTRAP=1
cargo fuzz build --target-dir "$out" > "$out/build.log" 2>&1 || {
  tail -n 40 "$out/build.log" >&2
  fail "the targets do not build"
}
programs=$(dirname "$(find "$out" -path '*/release/manifest' -type f | head -n 1)")
[ $# -gt 0 ] || set -- $(cd fuzz/fuzz_targets && basename -s .rs -- *.rs)

# What is freed is kept for a while to catch its use; little of it is enough.
export ASAN_OPTIONS=quarantine_size_mb=16:detect_leaks=0
for target in "$@"; do
  corpus=$out/corpus/$target log=$out/$target.log
  mkdir -p "$corpus" "$out/crashes"
  seeds=(crates/format/tests/fixtures/v1)
  [ ! -d "fuzz/seeds/$target" ] || seeds+=("fuzz/seeds/$target")
  if ! "$programs/$target" -max_total_time="$seconds" -timeout=5 -rss_limit_mb=512 \
    -malloc_limit_mb=64 -max_len=8192 -print_final_stats=1 \
    -artifact_prefix="$out/crashes/$target-" "$corpus" "${seeds[@]}" < /dev/null > "$log" 2>&1; then
    grep -E -A 2 'panicked at|^=.*ERROR|^SUMMARY|Test unit written' "$log" | cut -c -300 >&2
    fail "$target failed on the input above; all of it: $log"
  fi
  awk -v target="$target" '
    /number_of_executed_units/ { runs = $2 } /peak_rss_mb/ { rss = $2 }
    /cov: / { for (i = 1; i < NF; i++) if ($i == "cov:") cov = $(i + 1) }
    END {
      if (runs < 100) { print "fuzz: " target " hardly ran: " runs + 0 " inputs"; exit 1 }
      printf "fuzz: %-9s %9d inputs, %5d edges, %3d MiB\n", target, runs, cov, rss
    }' "$log"
done
