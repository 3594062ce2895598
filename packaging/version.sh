# version.sh: the version and its change log, for the build scripts. Sourced at the top of the tree.
# CMakeLists.txt has the version, CHANGELOG.md says what is in it and since when.

# shellcheck shell=bash
version_of_tree=$(sed -n 's/^project(firehosed VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
version=${VERSION:-$version_of_tree}
newest=$(sed -n 's/^## \([0-9.]*\) - .*/\1/p' packaging/CHANGELOG.md | head -n1)
[ "$newest" = "$version_of_tree" ] || {
    echo "CMakeLists.txt says version $version_of_tree, packaging/CHANGELOG.md begins with $newest" >&2
    exit 1
}
released=$(date -u -d "$(sed -n 's/^## [0-9.]* - //p' packaging/CHANGELOG.md | head -n1)" +%s)
maintainer='The firehosed authors <firehosed@firehosed.invalid>'

# In the order of the file: newest first.
changelog_debian() {
    local line entry="" date=""
    end_entry() { [ -z "$entry" ] || printf '\n -- %s  %s\n\n' "$maintainer" "$(date -u -R -d "$date")"; }
    [ "$version" = "$version_of_tree" ] ||
        printf 'firehosed (%s) stable; urgency=medium\n\n  * Built under another version.\n\n -- %s  %s\n\n' \
            "$version" "$maintainer" "$(date -u -R -d "@$released")"
    while IFS= read -r line; do
        case $line in
        '## '*)
            end_entry
            entry=${line#\#\# } date=${line##* - }
            printf 'firehosed (%s) stable; urgency=medium\n\n' "${entry%% *}"
            ;;
        '- '*) [ -z "$entry" ] || echo "  * ${line#- }" ;;
        '  '*) [ -z "$entry" ] || echo "    ${line#  }" ;;
        esac
    done <packaging/CHANGELOG.md
    end_entry
}

changelog_rpm() {
    local line entry="" date
    while IFS= read -r line; do
        case $line in
        '## '*)
            entry=${line#\#\# } date=${line##* - }
            LC_ALL=C date -u -d "$date" "+* %a %b %d %Y ${maintainer} - ${entry%% *}-1"
            ;;
        '- '*) [ -z "$entry" ] || echo "$line" ;;
        '  '*) [ -z "$entry" ] || echo "$line" ;;
        esac
    done <packaging/CHANGELOG.md
}
