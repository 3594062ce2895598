#!/usr/bin/env bash
# All benchmarks, one after the other. Needs the build folder (BUILD, default build). Timings on
# shared machines are noisy: compare the ratios within one run.
set -euo pipefail
cd "$(dirname "$0")/../.."
BUILD=${BUILD:-$PWD/build}
export BIN=$BUILD/bin
for bench in scan shape dedup store past console metrics world; do
    if [ -x "$BUILD/bench/bench_$bench" ]; then
        printf '\n== %s\n' "$bench"
        "$BUILD/bench/bench_$bench"
    fi
done
for script in sinks end_to_end takeover latency; do
    printf '\n== %s\n' "$script"
    "tests/bench/$script.sh"
done
if [ -d "$BUILD/console" ] && command -v chromium >/dev/null; then
    printf '\n== console\n'
    CONSOLE_MODULES=$BUILD/tests/console node tests/bench/console.mjs
fi
