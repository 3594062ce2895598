#!/usr/bin/env bash
# Builds the RPM packages firehosed, firehose-witness and firehose-sim from the files git knows.
#
#   packaging/build-rpm.sh [DIRECTORY]     where the packages go (default: build/packages)
#
# VERSION=0.2.0 builds them under another version. Runs where rpmbuild runs: on RHEL and its kin with the
# BuildRequires of the spec, on Debian (package rpm) with the libraries build-deb.sh installs; then the
# packages are good for trying out their scriptlets, for they are linked against Debian's libraries.
set -euo pipefail
cd "$(dirname "$0")/.."
out=$(realpath -m "${1:-build/packages}")
. packaging/version.sh

command -v rpmbuild >/dev/null || { echo "rpmbuild is missing: install rpm-build (RHEL) or rpm (Debian)" >&2; exit 1; }
packaging/install-deps.sh build
options=()
if pkg-config --exists libnats || [ -e /usr/include/nats/nats.h ]; then
    options+=(--with nats)
fi
if ! rpm -q rpm >/dev/null 2>&1; then # no rpm database: the build-dependencies came some other way
    options+=(--nodeps)
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tree=firehosed-$version
mkdir -p "$work/$tree" "$work/SOURCES" "$work/SPECS"
git ls-files -z | xargs -0 cp --parents -t "$work/$tree" --
sed -i "s/^project(firehosed VERSION [0-9.]*/project(firehosed VERSION $version/" "$work/$tree/CMakeLists.txt"
tar -C "$work" --sort=name --owner=0 --group=0 --mtime="@$released" -czf "$work/SOURCES/$tree.tar.gz" "$tree"
{ sed "s/@VERSION@/$version/" packaging/rpm/firehosed.spec; changelog_rpm; } >"$work/SPECS/firehosed.spec"
SOURCE_DATE_EPOCH=$released
export SOURCE_DATE_EPOCH
# The same tree gives the same bits, wherever and whenever: hence a build host of no name and a fixed place.
rpmbuild -bb "${options[@]}" --define "_topdir $work" --define "_builddir $work/BUILD" \
    --define "_buildhost localhost" --define "use_source_date_epoch_as_buildtime 1" \
    --define "clamp_mtime_to_source_date_epoch 1" --define "_build_id_links none" \
    "$work/SPECS/firehosed.spec" >"$work/log" 2>&1 || { tail -n 40 "$work/log" >&2; exit 1; }
mkdir -p "$out"
find "$work/RPMS" -name '*.rpm' -exec cp -t "$out" {} +
ls -1 "$out"/*-"$version"-*.rpm
