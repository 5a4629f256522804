#!/usr/bin/env bash
# Installs what the tests call besides Go. Quick and silent when everything is there; can run any number of times.
#
#   tools/deps.sh [test] [check]     (test when nothing is named)
set -euo pipefail

# A Debian package and a command that it brings. The command tells whether
# the package is needed: people install tools in many ways.
test_packages="postgresql-15:/usr/lib/postgresql/15/bin/initdb patchelf:patchelf age:age zstd:zstd acl:getfacl attr:setfattr fuse3:fusermount3 rsync:rsync git:git ncdu:ncdu minisign:minisign openssl:openssl prometheus:promtool mmdebstrap:mmdebstrap systemd-container:systemd-nspawn qemu-user-static:qemu-aarch64-static chromium:chromium"
check_packages="gcc:gcc git:git"   # gcc: the race detector needs cgo

missing=()
for group in "${@:-test}"; do
	list="${group}_packages"
	for entry in ${!list:?unknown group $group}; do
		PATH=$PATH:/usr/sbin command -v "${entry#*:}" >/dev/null || missing+=("${entry%%:*}")
	done
done
# cgo also needs the C library's headers, which bring no command.
if [[ " $* " == *" check "* && $(uname) == Linux && ! -e /usr/include/stdio.h ]]; then
	missing+=(libc6-dev)
fi
# Pages are shown with one font, which brings no command either.
if [[ " ${*:-test} " == *" test "* && $(uname) == Linux && ! -e /usr/share/fonts/truetype/dejavu/DejaVuSans.ttf ]]; then
	missing+=(fonts-dejavu-core)
fi
[[ ${#missing[@]} -eq 0 ]] && exit 0

if ! command -v apt-get >/dev/null; then
	echo "please install: ${missing[*]} (Debian's names), then run this again" >&2
	exit 1
fi
if [[ $(id -u) -ne 0 ]]; then
	echo "please run: sudo apt-get install ${missing[*]}" >&2
	exit 1
fi
echo "installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
