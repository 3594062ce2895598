#!/usr/bin/env bash
# Builds the Debian packages firehosed, firehose-witness and firehose-sim from the files git knows, and
# installs what that needs.
#
#   packaging/build-deb.sh [DIRECTORY]     where the packages go (default: build/packages)
#
# VERSION=0.2.0 builds them under another version (the upgrade test does). The same tree gives the same
# bits: times come from the change log, paths are mapped away.
set -euo pipefail
cd "$(dirname "$0")/.."
out=$(realpath -m "${1:-build/packages}")
. packaging/version.sh

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
packaging/install-deps.sh build
missing=()
for package in debhelper librdkafka-dev libnats-dev libmosquitto-dev; do
    dpkg-query -W -f '${Status}' $package 2>/dev/null | grep -q 'ok installed' || missing+=($package)
done
[ ${#missing[@]} = 0 ] || as_root env DEBIAN_FRONTEND=noninteractive apt-get -o Acquire::Retries=5 -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends "${missing[@]}" >/dev/null

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tree=$work/firehosed-$version
mkdir "$tree"
git ls-files -z | xargs -0 cp --parents -t "$tree" --
cp -a packaging/debian "$tree/debian"
sed -i "s/^project(firehosed VERSION [0-9.]*/project(firehosed VERSION $version/" "$tree/CMakeLists.txt"
changelog_debian >"$tree/debian/changelog"
# An npm from elsewhere does as well, but dpkg does not know it.
if command -v npm >/dev/null && ! dpkg-query -W -f '${Status}' npm 2>/dev/null | grep -q 'ok installed'; then
    sed -i 's/, nodejs (>= 18), npm$//' "$tree/debian/control"
fi
# debhelper gives the build another home: npm keeps its settings and what it has fetched before.
export npm_config_cache="${npm_config_cache:-$HOME/.npm}"
export npm_config_userconfig="${npm_config_userconfig:-$HOME/.npmrc}"
SOURCE_DATE_EPOCH=$released
export SOURCE_DATE_EPOCH
(cd "$tree" && dpkg-buildpackage -b -us -uc -ui >"$work/log" 2>&1) || { tail -n 40 "$work/log" >&2; exit 1; }
mkdir -p "$out"
cp "$work"/*.deb "$out/"
ls -1 "$out"/*_"$version"_*.deb
