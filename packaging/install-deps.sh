#!/usr/bin/env bash
# Installs what building (and, with "test", testing) firehosed needs, by apt or dnf.
# Usage: packaging/install-deps.sh [build|test]
# FH_CONSOLE=OFF leaves out what only the console's page needs.
set -euo pipefail

what=${1:-build}
debian_build=(build-essential cmake ninja-build pkg-config ca-certificates
    libcurl4-openssl-dev libcjson-dev libconfig-dev libsystemd-dev libzmq3-dev libsodium-dev liblmdb-dev liblz4-dev
    libxxhash-dev libzstd-dev zlib1g-dev libprotobuf-c-dev protobuf-c-compiler protobuf-compiler libprotobuf-dev
    libnghttp2-dev libssl-dev libncurses-dev libwslay-dev librdkafka-dev libnats-dev libmosquitto-dev libmicrohttpd-dev libcmocka-dev curl jq)
debian_test=(zsh tmux clang clang-format clang-tidy cppcheck libclang-rt-14-dev nghttp2-client mandoc python3-protobuf python3-grpcio python3-websockets python3-zmq nginx-light tinyproxy zstd iproute2 iptables procps
    debhelper dpkg-dev lintian rpm rpmlint chromium fonts-inter
    debootstrap systemd systemd-container etcd-server etcd-client openssl nats-server mosquitto mosquitto-clients
    prometheus python3-prometheus-client)
redhat_build=(gcc cmake ninja-build pkgconf-pkg-config libcurl-devel cjson-devel libconfig-devel systemd-devel
    zeromq-devel libsodium-devel lmdb-devel lz4-devel xxhash-devel libzstd-devel zlib-devel protobuf-c-devel protobuf-c-compiler
    protobuf-compiler protobuf-devel libnghttp2-devel openssl-devel ncurses-devel wslay-devel mosquitto-devel librdkafka-devel libmicrohttpd-devel libcmocka-devel
    curl jq)
redhat_test=(zsh tmux clang clang-tools-extra cppcheck nghttp2 mandoc zstd iproute iptables procps-ng compiler-rt python3-protobuf python3-grpcio python3-websockets python3-zmq nginx tinyproxy mosquitto chromium)

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# A mirror that fails is asked again, a few times; whoever holds apt's lock is waited for. Lists that are not new are no
# failure as long as they do.
apt_install() {
    local options=(-o Acquire::Retries=3 -o DPkg::Lock::Timeout=300) pause
    for pause in 5 15 30 ''; do
        if as_root apt-get "${options[@]}" update -qq
            as_root env DEBIAN_FRONTEND=noninteractive apt-get "${options[@]}" install -y -qq --no-install-recommends "$@" >/dev/null; then
            return 0
        fi
        [ -z "$pause" ] || { echo "apt-get failed; once more in $pause s" >&2; sleep "$pause"; }
    done
    return 1
}

if command -v apt-get >/dev/null; then
    packages=("${debian_build[@]}")
    [ "$what" = test ] && packages+=("${debian_test[@]}")
    # whoever has another npm than Debian's keeps it: the two do not go together
    [ "${FH_CONSOLE:-ON}" = OFF ] || command -v npm >/dev/null || packages+=(nodejs npm)
    missing=()
    for package in "${packages[@]}"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
    done
    if [ ${#missing[@]} -gt 0 ]; then
        echo "installing: ${missing[*]}"
        apt_install "${missing[@]}"
    fi
elif command -v dnf >/dev/null; then
    packages=("${redhat_build[@]}")
    [ "$what" = test ] && packages+=("${redhat_test[@]}")
    rpm -q "${packages[@]}" >/dev/null 2>&1 || {
        echo "installing with dnf (EPEL and CodeReady Builder must be enabled): ${packages[*]}"
        as_root dnf install -y -q "${packages[@]}"
    }
    if [ "${FH_CONSOLE:-ON}" != OFF ] && ! command -v npm >/dev/null; then
        as_root dnf module enable -y -q nodejs:20 2>/dev/null || true # RHEL 9's own is too old
        as_root dnf install -y -q nodejs npm
    fi
    pkg-config --exists 'libnats >= 3.4' ||
        echo "no libnats (no package of RHEL or EPEL has it): build nats.c from its source, or firehosed with -DFH_NATS=OFF"
    # not in every repository: without it the test against a real etcd is skipped, and says so
    if [ "$what" = test ] && ! rpm -q etcd >/dev/null 2>&1; then
        as_root dnf install -y -q etcd openssl || echo "no package etcd: its test will be skipped"
    fi
else
    echo "neither apt-get nor dnf found: install the libraries named in README.md by hand" >&2
    exit 1
fi
