#!/bin/sh
# Makes a Debian 13 (or 12) machine a builder: imagebuild's packages and environment, KVM for the user, Xen beside the
# running kernel. Safe to run again. Usage (as root): provision.sh CHECKOUT USER
set -eu

checkout=${1:?"usage: provision.sh CHECKOUT USER"}
user=${2:?"usage: provision.sh CHECKOUT USER"}
export DEBIAN_FRONTEND=noninteractive

[ "$(id -u)" -eq 0 ] || { echo "provision: run this as root" >&2; exit 4; }
[ -x "$checkout/.ci/setup" ] || { echo "provision: $checkout is no checkout of imagebuild" >&2; exit 4; }
id "$user" >/dev/null

echo "provision: packages"
apt-get update -qq
apt-get install -y -qq --no-install-recommends ca-certificates make git sudo >/dev/null
"$checkout/.ci/setup" --packages-only

# A hypervisor to boot images under directly: GRUB lists it, and Debian itself stays the default, because imagebuild needs
# none (it runs Xen under QEMU). `grub-reboot` with Xen's entry, then reboot, makes the machine a Xen host.
echo "provision: Xen"
apt-get install -y -qq --no-install-recommends xen-hypervisor-common xen-utils-common xen-system-amd64 >/dev/null
if [ -d /etc/default/grub.d ]; then
    echo 'XEN_OVERRIDE_GRUB_DEFAULT=0' >/etc/default/grub.d/imagebuild-xen.cfg
    if [ -e /boot/grub/grub.cfg ]; then update-grub >/dev/null 2>&1; fi
fi

echo "provision: KVM and sub-uids for $user"
getent group kvm >/dev/null || groupadd --system kvm
usermod --append --groups kvm "$user"
for kind in uid gid; do
    grep -q "^$user:" "/etc/sub$kind" 2>/dev/null || usermod "--add-sub${kind}s" 100000-165535 "$user"
done
# libguestfs' appliance is made from a kernel that its user may read
for kernel in /boot/vmlinuz-*; do
    if [ -f "$kernel" ]; then chmod 0644 "$kernel"; fi
done

echo "provision: imagebuild"
chown -R "$user:" "$checkout"
su "$user" -c "cd '$checkout' && .ci/setup"
ln -sf "$checkout/.venv/bin/imagebuild" /usr/local/bin/imagebuild
echo "provision: ready. Next: cd $checkout && make image"
