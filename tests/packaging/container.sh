#!/bin/sh
# A container where no container runtime runs: `container.sh ROOT FOLDER DATA:SEEN... -- WORDS`.
# ROOT is read-only, WORDS start in its FOLDER, /tmp is in memory, each DATA is seen as SEEN and may be written. WORDS are
# process 1 of user 10001 without any capability. The network is the machine's. Needs root; called by images.py.
set -eu
if [ -z "${IN_NAMESPACES:-}" ]; then
  IN_NAMESPACES=yes exec unshare --mount --pid --ipc --uts --fork --kill-child --propagation private "$0" "$@"
fi
unset IN_NAMESPACES
# The image's; this machine has its tools elsewhere.
path=$PATH
PATH=$PATH:/usr/sbin:/sbin
root=$1
folder=$2
shift 2
mount --bind "$root" "$root"
while [ "$1" != -- ]; do
  mkdir -p "$root${1#*:}"
  mount --bind "${1%%:*}" "$root${1#*:}"
  shift
done
shift
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount --bind /etc/resolv.conf "$root/etc/resolv.conf" 2>/dev/null || true
mount -o remount,bind,ro "$root"
# Not chroot: a process in one may make no namespaces, which the worker's sandboxes are made of.
mkdir "$root/tmp/old"
cd "$root"
pivot_root . tmp/old
umount -l /tmp/old
rmdir /tmp/old
cd "$folder"
PATH=$path
exec setpriv --reuid 10001 --regid 10001 --clear-groups --no-new-privs --inh-caps=-all --bounding-set=-all "$@"
