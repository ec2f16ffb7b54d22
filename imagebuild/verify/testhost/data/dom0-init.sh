#!/bin/sh
# The init of the Xen test host's dom0: starts Xen's tools, then one guest, and shows the guest's console.
# Markers (lines that begin with "imagebuild-dom0:") are what verify/patterns.py waits for.
PATH=/usr/sbin:/usr/bin:/sbin:/bin:/usr/lib/xen-4.17/bin
export PATH
mount -t proc proc /proc
mount -t sysfs sys /sys
[ -c /dev/null ] || mount -t devtmpfs dev /dev
mkdir -p /dev/pts && mount -t devpts devpts /dev/pts
mount -t tmpfs run /run
mkdir -p /run/lock /run/xen /run/xenstored /var/lib/xen /var/log/xen /var/run/xen
echo 1 >/proc/sys/kernel/printk
for module in xen-evtchn xen-gntdev xen-gntalloc xen-privcmd xenfs xen-blkback virtio_blk; do
    modprobe "$module" 2>/dev/null
done
mount -t xenfs xenfs /proc/xen 2>/dev/null
xenstored
/usr/lib/xen-4.17/bin/xen-init-dom0
xenconsoled
echo "imagebuild-dom0: ready"
# The job disk is a tar archive written onto a raw disk: guest.cfg and loader.
mkdir -p /run/job
tar -x -f /dev/vdc -C /run/job
echo "imagebuild-dom0: starting the guest"
xl create -c /run/job/guest.cfg
echo "imagebuild-dom0: the guest has ended ($?)"
sync
echo o >/proc/sysrq-trigger
sleep 60
