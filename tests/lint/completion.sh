#!/usr/bin/env bash
# The completion of bash and zsh is what the programs say of themselves, and works: nothing missing, nothing
# that is not there; and what the programs say of themselves is what they accept, and what firehosectl(8) has.
#
# BIN names the folder of the programs (default build/bin).
set -uo pipefail
cd "$(dirname "$0")/../.."

BIN=${BIN:-build/bin}
DIR=packaging/completion
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bad=0
complain() { echo "$*" >&2; bad=1; }

packaging/completion/make.sh "$BIN" "$work" || exit 1
for shell in bash zsh; do
    diff -ru "$DIR/$shell" "$work/$shell" || complain "$DIR/$shell is not what the programs say: run packaging/completion/make.sh $BIN $DIR"
done

# What getopt_long is given in the programs whose help is written by hand.
for pair in firehosed:src/daemon/main.c firehose-witness:src/witness/main.c; do
    program=${pair%%:*}
    accepted=$(grep -oE '\{"[a-z-]+", (no|required)_argument' "${pair#*:}" | sed -E 's/\{"([a-z-]+)".*/\1/' | sort)
    said=$("$BIN/$program" --help | sed -nE 's/^  --([a-z-]+).*/\1/p' | sort)
    [ -n "$accepted" ] || complain "no table of options in ${pair#*:}: is this script still right?"
    [ "$accepted" = "$said" ] || complain "$program --help and its table of options differ: $(diff <(echo "$accepted") <(echo "$said"))"
done

# The manual page of firehosectl names every command and every option.
page=packaging/man/firehosectl.8
for command in $("$BIN/firehosectl" --help | sed -nE '/^commands:/,/^$/s/^  ([a-z-]+) .*/\1/p'); do
    grep -q "^\.It Cm $command" $page || complain "$page does not name the command $command"
    for option in $("$BIN/firehosectl" "$command" --help | sed -nE 's/^  --([a-z-]+).*/\1/p'); do
        grep -qE "Fl -$option( |\$)" $page || complain "$page does not name --$option of $command"
    done
done

for file in "$DIR"/bash/*; do bash -n "$file" || bad=1; done

# after WORDS...: what bash offers for the last word.
after() {
    bash -c 'source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); "_${1//-/_}"; echo "${COMPREPLY[*]}"' \
        "$DIR/bash/$1" "$@"
}
expect() {
    local wanted=$1 got
    shift
    got=$(after "$@")
    [ "$got" = "$wanted" ] || complain "bash offers \"$got\" after \"$*\", not \"$wanted\""
}
expect "status" firehosectl statu
expect "status stats" firehosectl --socket /x sta
expect "--count" firehosectl tail --c
expect "" firehosectl tail --count 1
expect "on off" firehosectl maintenance o
expect "http websocket grpc" firehosectl setup --channel ""
expect "availability" firehosectl setup --prefer a
expect "--preferred --prefer" firehosectl setup --pref
expect "LICENSE" firehosectl preview --config LICEN
expect "packaging" firehosectl setup --import packag
expect "check" firehosectl onboarding ch
expect "LICENSE" firehosectl onboarding check LICEN
expect "markdown html json" firehosectl onboarding --format ""
expect "--check" firehosed --ch
expect "--keygen" firehose-witness --k
expect "clamp error" firehose-sim --old-timestamp ""
expect "--make-cert" firehose-sim --make

if command -v zsh >/dev/null; then
    for file in "$DIR"/zsh/*; do zsh -n "$file" || bad=1; done
    # A shell on a terminal of its own: what it makes of a word and a tab.
    shown=$(timeout 30 zsh -f -c '
        zmodload zsh/zpty
        zpty shell "TERM=dumb PS1=%# zsh -f -i"
        zpty -w shell "unsetopt beep; fpath=('"$PWD/$DIR"'/zsh \$fpath); autoload -U compinit; compinit -u -D; echo ready-\$((1+1))"
        zpty -m -r shell before "*ready-2*"
        zpty -w -n shell $'"'"'firehosectl swi\t'"'"'
        zpty -m -r shell command "*switchover*" && print -r -- switchover
        zpty -w -n shell $'"'"'--wa\t'"'"'
        zpty -m -r shell option "*--wait*" && print -r -- --wait
        zpty -d shell' </dev/null 2>"$work/zsh.log")
    [ "$shown" = $'switchover\n--wait' ] || complain "zsh does not complete: $shown $(cat "$work/zsh.log")"
else
    echo "no zsh here: its completion is compared, not tried"
fi
exit $bad
