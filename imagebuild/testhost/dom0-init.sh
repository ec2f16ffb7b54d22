#!/bin/sh
# The whole of dom0: process 1 of the Xen test host. Everything lives in the initial ramdisk, so nothing is mounted
# but the kernel's own filesystems. Lines that begin with "imagebuild:" are read by imagebuild/verify/console.py.
export PATH=/bin LD_LIBRARY_PATH=/lib

fail() {
    echo "imagebuild: dom0 failed: $1"
    echo o > /proc/sysrq-trigger
    sleep 60
}

# The SCSI disk with the given product name (QEMU's product=), once it is there. It is plugged in when dom0 is ready,
# which may have been long ago: the state of a ready dom0 is kept and taken up again (imagebuild/verify/xen.py).
device() {
    tries=0
    while [ $tries -lt 600 ]; do
        for folder in /sys/block/sd*; do
            if read -r model 2> /dev/null < "$folder/device/model" && [ "$model" = "$1" ]; then
                echo "/dev/${folder##*/}"
                return 0
            fi
        done
        tries=$((tries + 1))
        sleep 0.1
    done
    return 1
}

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/pts /dev/shm /run/lock /run/xen /run/xenstored /var/lib/xen /var/lib/xenstored /var/lock /var/log/xen /tmp /job
mount -t devpts devpts /dev/pts
while read -r module; do
    insmod "$module" || fail "the module $module cannot be loaded"
done < /etc/modules.list
mount -t xenfs xenfs /proc/xen || fail "there is no Xen below this kernel"

xenstored || fail "xenstored did not start"
xen-init-dom0 > /dev/null || fail "xen-init-dom0 failed"
xenconsoled || fail "xenconsoled did not start"
echo "imagebuild: dom0 ready"

image=$(device image) || fail "the image's disk did not appear"
job=$(device job) || fail "the job's disk did not appear"
# The stand-in and PV-GRUB ask for 4 KiB at a time and wait. Through a loop device dom0's page cache answers, which reads
# far ahead, instead of QEMU's threads.
echo 2048 > "/sys/block/${image##*/}/queue/read_ahead_kb"
losetup /dev/loop0 "$image" || fail "the image's disk cannot be read ahead"
ln -s /dev/loop0 /dev/image
tar -x -C /job -f "$job" || fail "the job's disk cannot be read"
# A dom0 that was taken up again lives in the past, and its guests would, too: Xen takes its clock from dom0.
date -s "@$(cat /job/now)" > /dev/null || fail "the clock cannot be set"
echo "imagebuild: guest starts"
# Not `xl create -c`, which sleeps for a second before it looks at the console; xenconsoled keeps what is said meanwhile.
# The first guest's number is 1.
xl create /job/guest.cfg && /usr/lib/xen-4.17/bin/xenconsole 1
echo "imagebuild: guest ended"
echo o > /proc/sysrq-trigger
sleep 60
