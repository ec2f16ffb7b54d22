#!/bin/sh
# Xen's block hotplug script for one physical disk: tells the back end the device's numbers (xl-disk-configuration(5),
# "script"). Xen's own script does much more (sharing checks, loop devices) and wants bash.
export PATH=/bin LD_LIBRARY_PATH=/lib
[ "$1" = add ] || exit 0
target=$(xenstore-read "$XENBUS_PATH/params")
xenstore-write "$XENBUS_PATH/physical-device" "$(stat -L -c %t:%T "$target")" \
    "$XENBUS_PATH/physical-device-path" "$target" "$XENBUS_PATH/hotplug-status" connected
