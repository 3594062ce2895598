#!/usr/bin/env bash
# Makes the completion of the shells out of what the programs say of themselves: make.sh BIN DIRECTORY
# writes DIRECTORY/bash/NAME and DIRECTORY/zsh/_NAME. BIN: folder of the built programs. The result is kept
# in the repository (a build for another machine cannot run what it builds); tests/lint/completion.sh
# compares.
set -euo pipefail

BIN=${1:?make.sh BIN DIRECTORY}
OUT=${2:?make.sh BIN DIRECTORY}
mkdir -p "$OUT/bash" "$OUT/zsh"

# options: of a help text on standard input: OPTION<tab>VALUE<tab>SENTENCE; VALUE is "-" for a switch. A value
# is in capitals, or a choice ("this|peer").
options() {
    sed -nE \
        -e 's/^  --([a-z0-9-]+) ([A-Z][A-Z0-9:|.]*(\[[^ ]*)?|[A-Za-z]+\|[A-Za-z|]+) +(.*)$/\1\t\2\t\4/p; t' \
        -e 's/^  --([a-z0-9-]+) +(.*)$/\1\t-\t\2/p'
}

# bash_values PREFIX: branches of a case for the options on standard input that take a value.
bash_values() {
    local name value rest action
    while IFS=$'\t' read -r name value rest; do
        [ "$name" != grpc-path ] || value=- # of a URL
        case $value in
        -) continue ;;
        FILE | PATH) action="_firehosed_files -f \"\$word\"" ;;
        DIR) action="_firehosed_files -d \"\$word\"" ;;
        [a-z]*'|'*) action="mapfile -t COMPREPLY < <(compgen -W '${value//|/ }' -- \"\$word\")" ;;
        *) action=: ;;
        esac
        printf "    '%s--%s') %s; return ;;\n" "$1" "$name" "$action"
    done
}

bash_head() {
    cat <<HEAD
# bash completion for $1, made by packaging/completion/make.sh of its --help

_firehosed_files() {
    mapfile -t COMPREPLY < <(compgen "\$1" -- "\$2")
    compopt -o filenames 2>/dev/null || true
}

HEAD
}

names() { sed 's/^\([^\t]*\).*/--\1/' | tr '\n' ' ' | sed 's/ $//'; }

bash_flat() {
    local program=$1 list=$2 function=_${1//-/_}
    bash_head "$program"
    printf '%s() {\n' "$function"
    printf '    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}\n    COMPREPLY=()\n'
    printf '    case $before in\n'
    bash_values '' <<<"$list"
    printf "    esac\n    mapfile -t COMPREPLY < <(compgen -W '%s' -- \"\$word\")\n}\ncomplete -F %s %s\n" \
        "$(names <<<"$list")" "$function" "$program"
}

# zsh_spec: arguments of _arguments for the options on standard input.
zsh_spec() {
    local name value rest action
    while IFS=$'\t' read -r name value rest; do
        rest=${rest//[/\\[}
        rest=${rest//]/\\]}
        rest=${rest//:/\\:}
        rest=${rest//\'/\'\\\'\'}
        case $value in
        -) printf " \\\\\n        '--%s[%s]'" "$name" "$rest"; continue ;;
        FILE | PATH) [ "$name" = grpc-path ] && action=' ' || action=_files ;;
        DIR) action='_files -/' ;;
        [a-z]*'|'*) action="(${value//|/ })" ;;
        *) action=' ' ;;
        esac
        value=${value//:/\\:}
        printf " \\\\\n        '--%s=[%s]:%s:%s'" "$name" "$rest" "$value" "$action"
    done
}

zsh_flat() {
    printf '#compdef %s\n# made by packaging/completion/make.sh of its --help\n\n_arguments' "$1"
    zsh_spec <<<"$2"
    echo
}

# ---- firehosectl: commands with options of their own

ctl_help() { "$BIN/firehosectl" "$@" --help; }
ctl_commands() { ctl_help | sed -nE '/^commands:/,/^$/s/^  ([a-z-]+) +(.*)$/\1\t\2/p'; }
# What stands behind the options in the usage line, as in "on|off".
ctl_operand() { ctl_help "$1" | sed -nE '1s/.* ([a-z]+(\|[a-z]+)+)( \[FILE\])?$/\1/p'; }
# A file behind that.
ctl_file() { ctl_help "$1" | sed -nE '1s/.* \[(FILE)\]$/\1/p'; }
ctl_options() {
    ctl_help "$1" | options
    printf 'socket\tPATH\tcontrol socket of the daemon\nhelp\t-\twhat the command does\n'
}

bash_ctl() {
    local command summary list operand words file
    bash_head firehosectl
    cat <<'BODY'
_firehosectl() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command= i
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        --socket) ((++i)) ;;
        -*) ;;
        *) command=${COMP_WORDS[i]}; break ;;
        esac
    done
    case "$command $before" in
BODY
    bash_values ' ' < <(ctl_help | options)
    while IFS=$'\t' read -r command summary; do
        bash_values "$command " < <(ctl_options "$command")
    done < <(ctl_commands)
    printf '    esac\n    case $command in\n'
    printf "    '') mapfile -t COMPREPLY < <(compgen -W '%s %s' -- \"\$word\") ;;\n" \
        "$(ctl_commands | cut -f1 | tr '\n' ' ' | sed 's/ $//')" "$(ctl_help | options | names)"
    while IFS=$'\t' read -r command summary; do
        operand=$(ctl_operand "$command")
        words=$(ctl_options "$command" | names)
        file=$(ctl_file "$command")
        printf "    %s) mapfile -t COMPREPLY < <(compgen %s-W '%s' -- \"\$word\") ;;\n" "$command" \
            "${file:+-f }" "${operand:+${operand//|/ } }$words"
    done < <(ctl_commands)
    printf '    esac\n}\ncomplete -F _firehosectl firehosectl\n'
}

zsh_ctl() {
    local command summary operand
    printf '#compdef firehosectl\n# made by packaging/completion/make.sh of its --help\n\n'
    printf 'local context state state_descr line\ntypeset -A opt_args\nlocal -a commands\ncommands=(\n'
    while IFS=$'\t' read -r command summary; do
        printf "    '%s:%s'\n" "$command" "${summary//\'/\'\\\'\'}"
    done < <(ctl_commands)
    printf ")\n_arguments -C"
    zsh_spec < <(ctl_help | options)
    printf " \\\\\n        '1:command:->command' \\\\\n        '*::argument:->rest'\n\n"
    printf 'case $state in\ncommand) _describe -t commands command commands ;;\nrest)\n    case $words[1] in\n'
    while IFS=$'\t' read -r command summary; do
        operand=$(ctl_operand "$command")
        printf '    %s)\n        _arguments' "$command"
        zsh_spec < <(ctl_options "$command")
        [ -z "$operand" ] || printf " \\\\\n        '1:%s:(%s)'" "$operand" "${operand//|/ }"
        [ -z "$(ctl_file "$command")" ] || printf " \\\\\n        '2:FILE:_files'"
        printf '\n        ;;\n'
    done < <(ctl_commands)
    printf '    esac\n    ;;\nesac\n'
}

for program in firehosed firehose-witness firehose-sim; do
    list=$("$BIN/$program" --help | options)
    bash_flat "$program" "$list" >"$OUT/bash/$program"
    zsh_flat "$program" "$list" >"$OUT/zsh/_$program"
done
bash_ctl >"$OUT/bash/firehosectl"
zsh_ctl >"$OUT/zsh/_firehosectl"
