#!/usr/bin/env bash
# Installs what the tests need, builds, runs them. The test command of README.md and of CI.
#
#   tests/run.sh                 everything CI runs (somewhat under half an hour on 2 cores)
#   tests/run.sh SUITE...        some of: lint unit model contract integration interop sinks e2e fuzz
#                                sanitize clang bench long
#   tests/run.sh model --seeds N any number of schedules of the role machine
#   tests/run.sh e2e             by its name: two booted hosts and packages in full; among all suites they say
#                                what they leave out
#   tests/run.sh e2e --rounds N  any number of kills
#   tests/run.sh long            what takes minutes: more kills of nodes whose replicas differ, replays into
#                                every sink
#
# Ends with a line "N passed, N failed".
set -uo pipefail
cd "$(dirname "$0")/.."

passed=0
failed=0
suites=()
SEEDS=
ROUNDS=
while [ $# -gt 0 ]; do
    case $1 in
    --seeds) SEEDS=$2; shift 2 ;;
    --rounds) ROUNDS=$2; shift 2 ;;
    -h | --help) sed -n '2,14s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) suites+=("$1"); shift ;;
    esac
done
named=${suites[*]:+1} # then e2e has packages and two hosts in full; else in the form that says what it leaves out
[ ${#suites[@]} -gt 0 ] || suites=(lint unit model contract integration interop sinks fuzz e2e sanitize)

say() { printf '\n== %s (after %d s)\n' "$*" "$SECONDS"; }

# count NAME COMMAND...: one check that passes or fails as a whole.
count() {
    local name=$1
    shift
    if "$@"; then passed=$((passed + 1)); echo "ok      $name"; else failed=$((failed + 1)); echo "FAILED  $name"; fi
}

# ctests BUILD ARGUMENTS...: adds ctest's own numbers.
ctests() {
    local build=$1 log total bad skipped
    shift
    log=$(mktemp)
    ctest --test-dir "$build" --output-on-failure -j6 "$@" | tee "$log" | grep -vE '^ *(Start|Test project|Internal ctest)'
    total=$(sed -n 's/.* tests failed out of \([0-9]*\)/\1/p' "$log")
    bad=$(sed -n 's/.*, \([0-9]*\) tests failed out of.*/\1/p' "$log")
    skipped=$(grep -c '\*\*\*Skipped' "$log")
    [ "$skipped" = 0 ] || grep -h '^SKIPPED' "$build/Testing/Temporary/LastTest.log"
    grep -h '^left out' "$build/Testing/Temporary/LastTest.log" # by a shortened form
    rm -f "$log"
    if [ -z "$total" ] || [ "$total" = 0 ]; then
        echo "FAILED  no test was found for: $*"
        failed=$((failed + 1))
        return
    fi
    passed=$((passed + total - bad - skipped))
    failed=$((failed + bad))
}

# build DIR [CMAKE ARGUMENTS]: warnings are errors in every build of the tests. TARGET: not everything.
build() {
    local dir=$1
    shift
    cmake -S . -B "$dir" -G Ninja -DFH_WERROR=ON "$@" >/dev/null && ninja -C "$dir" --quiet ${JOBS:+-j"$JOBS"} ${TARGET:+"$TARGET"}
}

# A sanitizer or a fuzzer does not look for what the optimizer did; to compile takes half as long so.
light=(-DCMAKE_C_FLAGS_RELWITHDEBINFO="-O1 -g1")
build_asan() { build build-asan "${light[@]}" -DCMAKE_C_COMPILER=gcc -DFH_SANITIZE=address,undefined; }
build_tsan() { build build-tsan "${light[@]}" -DCMAKE_C_COMPILER=clang -DFH_SANITIZE=thread; }

# e2e waits most of the time: what "sanitize" needs is compiled beside it, one file at a time and with the
# lowest priority. What fails there fails, and is told, when its turn comes.
ahead=
build_ahead() {
    case " ${suites[*]} " in *" e2e sanitize "*) ;; *) return ;; esac
    set -m # a process group of its own, which ends with this script
    (
        renice -n 19 "$BASHPID"
        export JOBS=1
        build_asan
        build_tsan
    ) >/dev/null 2>&1 &
    set +m
    ahead=$!
    trap 'kill -- "-$ahead" 2>/dev/null' EXIT
}

main_built=
need_build() {
    [ -n "$main_built" ] && return
    say "build (gcc, warnings are errors)"
    count "build with gcc" build build -DCMAKE_C_COMPILER=gcc -DFH_CONSOLE=ON
    main_built=1
}

sources() { git ls-files '*.c' '*.h'; }

lint() {
    say "lint"
    count "clang-format" sh -c 'git ls-files "*.c" "*.h" | xargs clang-format --dry-run --Werror'
    need_build
    count "cppcheck" cppcheck --quiet --error-exitcode=1 --inline-suppr --enable=warning,portability,performance \
        --suppressions-list=tests/lint/cppcheck.txt --std=c11 -j2 -Iinclude src ha
    count "clang-tidy" sh -c 'git ls-files "src/*.c" "ha/*.c" | xargs -P2 -n4 clang-tidy --quiet -p build 2>/dev/null'
    count "message catalog" tests/lint/catalog.sh
    count "roles in firehosed-ha(7)" tests/lint/roles.sh
    count "counters in firehosectl(8)" tests/lint/counters.sh
    count "completion of bash and zsh" tests/lint/completion.sh
    count "manual pages" sh -c '! mandoc -T lint -W warning packaging/man/*.[578] | grep .'
    count "firehosed.conf(5) is what the option table says" sh -c \
        'packaging/man/make-conf-page.sh "$PWD/build/bin/firehosed" | diff - packaging/man/firehosed.conf.5'
    count "firehosed-onboarding(5) is what the table of fields says" sh -c \
        'packaging/man/make-onboarding-page.sh "$PWD/build/bin/firehosectl" | diff - packaging/man/firehosed-onboarding.5'
    count "firehosed-messages(7) is what table and catalogs say" sh -c \
        'packaging/man/make-messages-page.sh | diff - packaging/man/firehosed-messages.7'
    count "firehosed-metrics(7) is what the table of metrics says" sh -c \
        'packaging/man/make-metrics-page.sh "$PWD/build/bin/firehosed" | diff - packaging/man/firehosed-metrics.7'
    count "the console's page is formatted" build/tests/console/node_modules/.bin/prettier --check --log-level=warn \
        src/console/page tests/console tests/bench/console.mjs
    count "shell scripts parse" sh -c 'git ls-files "*.sh" packaging/systemd/follow-role packaging/systemd/run-hooks .ci/run | xargs -n1 bash -n'
}

fuzz() {
    need_build
    say "fuzz: the corpus replayed"
    ctests build -L fuzz
    say "fuzz: ${FUZZ_SECONDS:-2} seconds of libFuzzer each"
    TARGET=fuzzers count "build of the fuzzers" build build-fuzz "${light[@]}" -DCMAKE_C_COMPILER=clang -DFH_FUZZ=ON -DFH_SANITIZE=address,undefined
    local target logs
    logs=$(mktemp -d)
    fuzz_one() { # two at a time, so each has its own files
        mkdir "$2/corpus-$1"
        "build-fuzz/tests/$1" -max_total_time="${FUZZ_SECONDS:-2}" -print_final_stats=0 -verbosity=0 \
            -artifact_prefix="$2/corpus-$1/" "$2/corpus-$1" "tests/fuzz/corpus/$1" >"$2/$1.log" 2>&1 && : >"$2/$1.good"
    }
    export -f fuzz_one
    find build-fuzz/tests -maxdepth 1 -name 'fuzz_*' -type f -perm -u+x -printf '%f\n' | sort |
        xargs -P2 -I{} bash -c 'fuzz_one "$1" "$2"' _ {} "$logs"
    for target in $(find build-fuzz/tests -maxdepth 1 -name 'fuzz_*' -type f -perm -u+x -printf '%f\n' | sort); do
        count "$target" test -e "$logs/$target.good"
        [ -e "$logs/$target.good" ] || tail -n 30 "$logs/$target.log"
    done
    rm -rf "$logs"
}

sanitize() {
    say "AddressSanitizer and UndefinedBehaviorSanitizer"
    [ -z "$ahead" ] || wait "$ahead"
    count "build with ASan+UBSan" build_asan
    # What others wrote, what a browser draws (the daemon behind it is in "console") and dialogues of a short-lived
    # program have nothing in them for a sanitizer to find; nor for the second one the simulator, and what filters do
    # to records on one thread. The machine has no memory of its own: some schedules are enough here.
    ctests build-asan -LE 'e2e|long|interop' -E '^(model_.*|setup|console_page)$'
    count "model of the pair with ASan, 2000 schedules" build-asan/tests/model_pair 2000
    say "ThreadSanitizer"
    count "build with TSan" build_tsan
    TSAN_OPTIONS="ignore_noninstrumented_modules=1 suppressions=$PWD/tests/lint/tsan.txt ${TSAN_OPTIONS:-}" ctests build-tsan -LE 'e2e|long|fuzz|model|interop|contract' -E '^(setup|shape|witness_host|console_page|test_sim_.*)$'
    say "the pair under AddressSanitizer: 3 kills"
    BIN=$PWD/build-asan/bin ROUNDS=3 RATE=500 count "failover with ASan" tests/integration/failover.sh
}

# Those of the suites that ctest knows by their label, all at once: many of their tests wait most of the time.
parts_done=
parts() {
    local suite labels=
    [ -z "$parts_done" ] || return
    parts_done=1
    for suite in "${suites[@]}"; do
        case $suite in unit | contract | integration | interop | sinks) labels+="|$suite" ;; esac
    done
    need_build
    say "${labels#|}"
    ctests build -L "^(${labels#|})\$"
}

say "what the tests need"
packaging/install-deps.sh test || exit 1

for suite in "${suites[@]}"; do
    case $suite in
    lint) lint ;;
    unit | contract | integration | interop | sinks) parts ;;
    model)
        need_build
        say "model"
        if [ -n "$SEEDS" ]; then count "model of the pair" build/tests/model_pair "$SEEDS"; else ctests build -L model; fi
        ;;
    e2e)
        need_build
        say "e2e: real processes, real sockets, SIGKILL"
        build_ahead
        FULL=$named ROUNDS=${ROUNDS:-20} ctests build -L e2e -j1
        ;;
    long)
        need_build
        say "long"
        ctests build -L long -j1
        ;;
    fuzz) fuzz ;;
    clang)
        say "build with clang"
        count "build with clang" build build-clang -DCMAKE_C_COMPILER=clang
        ;;
    sanitize) sanitize ;;
    bench)
        need_build
        say "bench"
        count "benchmarks" tests/bench/run.sh
        ;;
    *)
        echo "unknown suite \"$suite\"; see tests/run.sh --help" >&2
        exit 2
        ;;
    esac
done

echo
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
