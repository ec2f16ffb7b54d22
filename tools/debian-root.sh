#!/bin/sh
# Runs a command with another Debian's tree as its root, in mounts and processes of its own (as root):
#   tools/debian-root.sh TREE COMMAND [WORD...]
# Bootstraps, namespaces and QEMU work in there. What is mounted ends with the command; what it writes stays in TREE.
set -eu
[ $# -ge 2 ] || { echo "usage: debian-root.sh TREE COMMAND [WORD...]" >&2; exit 2; }
tree=$1
shift
# resolver, names and the authorities of a machine behind a proxy of its own
for file in etc/resolv.conf etc/hosts etc/ssl/certs/ca-certificates.crt; do
    if [ -e "/$file" ]; then mkdir -p "$tree/${file%/*}" && cat "/$file" >"$tree/$file"; fi
done
# shellcheck disable=SC2016  # $0 is the tree, $@ the command, both inside
exec unshare --mount --pid --fork --kill-child --propagation private sh -euc '
    mount --rbind "$0" "$0"
    cd "$0"
    mount --rbind /dev dev
    mount --rbind /sys sys
    mount -t proc proc proc
    mkdir -p .machine
    pivot_root . .machine
    cd /
    umount --lazy /.machine
    exec "$@"
' "$tree" "$@"
