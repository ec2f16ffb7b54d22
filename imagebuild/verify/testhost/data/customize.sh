#!/bin/sh
# mmdebstrap's customize hook: turns the bootstrapped tree ($1) into the parts of the test host, in the folder $2.
# Runs outside the tree, in mmdebstrap's own namespace: there the tree's files have their true owners.
set -eu
tree=$1
out=$2
data=$3
# GRUB 0.97's shell: its package conflicts with the GRUB 2 that builds the stand-in, so it is unpacked, not installed.
mkdir -p "$tree/tmp/grub-legacy"
chroot "$tree" sh -c 'cd /tmp/grub-legacy && apt-get -q -y download grub-legacy && dpkg-deb -x grub-legacy_*.deb /tmp/grub-legacy/x'
install -D -m 755 "$tree/tmp/grub-legacy/x/usr/sbin/grub" "$tree/usr/lib/imagebuild/grub-legacy"
rm -rf "$tree/tmp/grub-legacy"
install -m 755 "$data/dom0-init.sh" "$tree/sbin/imagebuild-dom0"
# A small initrd: only what finds the dom0's own disk. Uncompressed, because unpacking is slow in an emulator.
kernel=$(ls "$tree/boot" | sed -n 's/^vmlinuz-//p' | sort -V | tail -n 1)
printf 'MODULES=list\nBUSYBOX=auto\nCOMPRESS=gzip\nRESUME=none\n' >"$tree/etc/initramfs-tools/conf.d/imagebuild"
printf 'virtio_pci\nvirtio_blk\next4\n' >>"$tree/etc/initramfs-tools/modules"
chroot "$tree" mkinitramfs -o /tmp/initrd "$kernel"
gzip -dc "$tree/tmp/initrd" >"$out/initrd.img" 2>/dev/null || cp "$tree/tmp/initrd" "$out/initrd.img"
rm -f "$tree/tmp/initrd" "$tree"/boot/initrd.img-*
cp "$tree/boot/vmlinuz-$kernel" "$out/vmlinuz"
gzip -dc "$tree"/boot/xen-4.17-amd64.gz >"$out/xen"
# The tools that read images on the host itself, without being installed there.
mkdir -p "$out/tools"
tar -C "$tree" -c --exclude=./usr/lib/modules --exclude=./lib/modules --exclude=./usr/share/locale \
    --exclude=./usr/share/doc --exclude=./var --exclude=./boot --exclude=./dev --exclude=./proc --exclude=./sys \
    --exclude=./run --exclude=./usr/lib/firmware . | tar -C "$out/tools" -x --no-same-owner --no-same-permissions
chmod -R u+rwX "$out/tools"
rm -rf "$tree"/var/cache/apt/archives/*.deb "$tree"/var/lib/apt/lists/* "$tree"/usr/share/doc "$tree"/usr/share/locale \
    "$tree"/usr/lib/grub "$tree"/lib32 "$tree"/usr/lib32
truncate -s 1536M "$out/dom0.ext4"
mke2fs -q -t ext4 -O ^has_journal -E lazy_itable_init=1 -d "$tree" "$out/dom0.ext4"
# The tree itself is not wanted any more: leave mmdebstrap next to nothing to pack.
find "$tree" -xdev -mindepth 1 -maxdepth 1 ! -name proc ! -name sys ! -name dev ! -name run ! -name tmp -exec true {} +
