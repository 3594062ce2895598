# packages.sh: the packages of this very tree, built once and kept in build/packages-cache for whoever asks next.
# Sourced at the top of the tree.

# Nothing of the tests is in a package, so a change there needs no new ones.
packages_tree() { git ls-files -z -- ':!tests' ':!.ci' | xargs -0 sha256sum | sha256sum | cut -c1-16; }

# packages_built deb|rpm VERSION: prints the directory. VERSION "" is the tree's own. What belongs to other trees goes.
packages_built() {
    local cache=$PWD/build/packages-cache tree directory log
    tree=$(packages_tree)
    directory=$cache/$tree/$1-${2:-own}
    # not those of a run that is still using them, should the tree change under it
    find "$cache" -mindepth 1 -maxdepth 1 -mmin +120 ! -name "$tree" -exec rm -rf {} + 2>/dev/null
    if [ ! -e "$directory/done" ]; then
        log=$(mktemp)
        VERSION=${2:-} "packaging/build-$1.sh" "$directory" >"$log" 2>&1 || { tail -n 20 "$log" >&2; rm -f "$log"; return 1; }
        rm -f "$log"
        : >"$directory/done"
    fi
    echo "$directory"
}
