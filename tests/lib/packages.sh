# packages.sh: the packages of this very tree, built once and kept below build/packages for whoever asks next.
# Sourced at the top of the tree.

packages_tree() { git ls-files -z | xargs -0 sha256sum | sha256sum | cut -c1-16; }

# packages_built deb|rpm VERSION: prints the directory. VERSION "" is the tree's own.
packages_built() {
    local directory
    directory=$PWD/build/packages/$(packages_tree)/$1-${2:-own}
    if [ ! -e "$directory/done" ]; then
        VERSION=${2:-} "packaging/build-$1.sh" "$directory" >"${TMPDIR:-/tmp}/firehosed-build-$1-$$.log" 2>&1 || {
            tail -n 20 "${TMPDIR:-/tmp}/firehosed-build-$1-$$.log" >&2
            return 1
        }
        rm -f "${TMPDIR:-/tmp}/firehosed-build-$1-$$.log"
        : >"$directory/done"
    fi
    echo "$directory"
}
