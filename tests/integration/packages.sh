#!/usr/bin/env bash
# The packages: built twice they are the same bits; lintian and rpmlint have nothing to say; dependencies are
# there; in a scratch root they install, upgrade keeping what was edited, and go, keeping the state until they
# are purged. The services of booted hosts: two_hosts.sh.
#
# Each build takes its time, so without FULL=1 (tests/run.sh e2e) only the Debian packages are built twice, and the
# RPM package is upgraded to itself.
#
# Needs root, debootstrap, dpkg-dev, rpm, lintian, rpmlint on Debian; else says SKIPPED and exits with 77.
set -uo pipefail
cd "$(dirname "$0")/../.."
. tests/lib/hosts.sh # WORK, ROOT_CACHE, fail, skip
. tests/lib/packages.sh
step() { echo "-- $*"; }
leave() { local r; for r in deb rpm; do mountpoint -q "$WORK/$r" && umount -l "$WORK/$r"; done; rm -rf "$WORK"; }
trap leave EXIT

[ "$(id -u)" = 0 ] || skip "a scratch root needs root"
for tool in debootstrap dpkg-buildpackage rpmbuild lintian rpmlint dh; do
    command -v $tool >/dev/null || skip "$tool is not installed (packaging/install-deps.sh test, on Debian)"
done

scratch() { # NAME: a root file system of its own
    mkdir -p "$WORK/$1" "$WORK/$1.upper" "$WORK/$1.work"
    mount -t overlay overlay -o "lowerdir=$ROOT_CACHE,upperdir=$WORK/$1.upper,workdir=$WORK/$1.work" "$WORK/$1" ||
        skip "no overlay mounts in $WORK"
}
inside() { chroot "$WORK/$1" env PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C DEBIAN_FRONTEND=noninteractive "${@:2}"; }
expect() { grep -qF -- "$2" <<<"$1" || fail "expected \"$2\" in: $1"; }

step "built twice, in different places"
debs=$(packages_built deb "") || fail "the Debian packages cannot be built"
rpms=$(packages_built rpm "") || fail "the RPM packages cannot be built"
again=(deb)
[ -z "${FULL:-}" ] || again+=(rpm)
for kind in "${again[@]}"; do
    mkdir -p "$WORK/a-rather-long-name-of-a-directory"
    TMPDIR="$WORK/a-rather-long-name-of-a-directory" "packaging/build-$kind.sh" "$WORK/again-$kind" >"$WORK/again.log" 2>&1 ||
        { tail -n 20 "$WORK/again.log"; fail "the second build of the $kind packages"; }
done
for package in "$debs"/*.deb "$rpms"/*.rpm; do
    [ -d "$WORK/again-${package##*.}" ] || continue
    cmp -s "$package" "$WORK/again-${package##*.}/${package##*/}" || fail "not the same bits: ${package##*/}"
    echo "same bits: ${package##*/}"
done

step "lintian and rpmlint"
lintian --allow-root --fail-on error,warning "$debs"/*.deb || fail "lintian"
rpmlint -c packaging/rpm/rpmlint.toml "$rpms"/*.rpm >"$WORK/rpmlint.txt" 2>&1
expect "$(tail -n2 "$WORK/rpmlint.txt")" "0 errors, 0 warnings"
version=$(. packaging/version.sh && echo "$version")
architecture=$(dpkg --print-architecture)
for package in firehosed firehose-witness firehose-sim; do
    [ "$(dpkg-deb -f "$debs/${package}_${version}_$architecture.deb" Version)" = "$version" ] ||
        fail "version of $package"
done

hosts_root "$debs"

step "Debian: install, edit, upgrade, remove, purge"
newer=$(packages_built deb 9.9.9) || fail "the newer Debian packages cannot be built"
scratch deb
mkdir "$WORK/deb/packages"
cp "$debs"/*.deb "$newer"/*.deb "$WORK/deb/packages/"
install=()
for package in firehosed firehose-witness firehose-sim; do install+=("/packages/${package}_${version}_$architecture.deb"); done
said=$(inside deb apt-get install "${install[@]}" 2>&1) || fail "apt-get install: $said"
expect "$said" "not started yet; configure it first"
inside deb id firehosed >/dev/null || fail "no user firehosed"
expect "$(inside deb firehosed --version)" "$version"
expect "$(inside deb firehose-witness --version)" "$version"
inside deb test -e /var/lib/systemd/catalog/database || fail "the message catalog was not made"
[ -z "$(inside deb find /etc/systemd/system -name 'fire*')" ] || fail "a service was enabled before it was configured"
echo "# edited" >>"$WORK/deb/etc/firehosed/firehosed.conf"
mkdir -p "$WORK/deb/var/lib/firehosed/store"
said=$(inside deb apt-get install "/packages/firehosed_9.9.9_$architecture.deb" 2>&1) || fail "upgrade: $said"
expect "$(inside deb firehosed --version)" 9.9.9
expect "$(tail -n1 "$WORK/deb/etc/firehosed/firehosed.conf")" "# edited"
inside deb dpkg -r firehosed >/dev/null 2>&1 || fail "dpkg -r"
[ -d "$WORK/deb/var/lib/firehosed/store" ] && [ -e "$WORK/deb/etc/firehosed/firehosed.conf" ] || fail "removing took state or configuration"
said=$(inside deb dpkg -P firehosed 2>&1) || fail "dpkg -P: $said"
expect "$said" "removing its state in /var/lib/firehosed"
mkdir -p "$WORK/deb/var/lib/firehose-witness"
mount -t tmpfs tmpfs "$WORK/deb/var/lib/firehose-witness" && : >"$WORK/deb/var/lib/firehose-witness/campus.lease" || fail "no mount in the scratch root"
said=$(inside deb dpkg -P firehose-witness 2>&1) || fail "dpkg -P with the state on a file system of its own: $said"
umount "$WORK/deb/var/lib/firehose-witness"
expect "$said" "/var/lib/firehose-witness is emptied; it is a mount point and stays"
[ ! -e "$WORK/deb/var/lib/firehosed" ] && [ ! -e "$WORK/deb/etc/firehosed" ] || fail "purging left something"

step "RPM: install, edit, upgrade, erase"
newer=$rpms newer_version=$version how=--replacepkgs
if [ -n "${FULL:-}" ]; then
    newer=$(packages_built rpm 9.9.9) || fail "the newer RPM packages cannot be built"
    newer_version=9.9.9 how=--nodeps
fi
scratch rpm
said=$(inside rpm apt-get satisfy "$(dpkg-deb -f "$debs/firehosed_${version}_$architecture.deb" Depends)" 2>&1) || fail "libraries: $said"
# Debian's root has no rpm database: dependencies cannot be looked up in it.
on_rpm() { rpm --root "$WORK/rpm" --dbpath /var/lib/rpm "$@"; }
on_rpm --initdb || fail "rpm --initdb"
said=$(on_rpm -i --nodeps "$rpms/firehosed-$version-"*.rpm "$rpms/firehose-witness-$version-"*.rpm 2>&1) || fail "rpm -i: $said"
inside rpm id firehosed >/dev/null || fail "no user firehosed"
inside rpm id firehose-witness >/dev/null || fail "no user firehose-witness"
expect "$(inside rpm firehosed --version)" "$version"
on_rpm -V --nodeps firehosed firehose-witness || fail "rpm -V"
echo "# edited" >>"$WORK/rpm/etc/firehosed/firehosed.conf"
mkdir -p "$WORK/rpm/var/lib/firehosed/store"
said=$(on_rpm -U --nodeps $how "$newer/firehosed-$newer_version-"*.rpm 2>&1) || fail "rpm -U: $said"
expect "$(inside rpm firehosed --version)" "$newer_version"
expect "$(tail -n1 "$WORK/rpm/etc/firehosed/firehosed.conf")" "# edited"
said=$(on_rpm -e firehosed 2>&1) || fail "rpm -e: $said"
expect "$said" "its state in /var/lib/firehosed"
[ -d "$WORK/rpm/var/lib/firehosed/store" ] || fail "erasing took the state"
[ -n "${FULL:-}" ] || echo "left out here, in tests/run.sh e2e: a second build of the RPM packages, their upgrade to a newer version"
echo "packages: all as expected"
