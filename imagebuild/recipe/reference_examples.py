"""An example for each section of the recipe reference, as a piece of a recipe. A test holds each against the schema."""

from __future__ import annotations

from collections.abc import Mapping

EXAMPLES: Mapping[str, str] = {
    "Recipe": """\
name: web
rootfs: { debian: { suite: bookworm, packages: [linux-image-amd64, systemd-sysv] } }
disk: { layout: hd0, filesystem: ext4 }
""",
    "Rootfs": """\
rootfs: { tar: rootfs.tar.zst } # or debian, directory, image, oci
""",
    "Disk": """\
disk:
  layout: hd00
  size: 4GiB
  table: mbr
  partitions:
    - { mount: /boot, size: 256MiB, filesystem: ext3 }
    - { mount: /, size: rest, filesystem: ext4 }
""",
    "System": """\
system:
  hostname: web1.example.org
  timezone: Europe/Berlin
  root_password: { env: ROOT_PW }
  grow_root: true
""",
    "File": """\
files:
  - { path: /etc/motd, content: "Welcome\\n" }
  - { path: /etc/nginx/nginx.conf, source: files/nginx.conf, mode: "0644" }
""",
    "Script": """\
scripts:
  - files/setup.sh
  - { run: files/fetch.sh, arguments: [one], environment: { PROFILE: small }, network: true, timeout: 20min }
""",
    "Boot": """\
boot:
  timeout: 3
  command_line: "ro console=hvc0"
  kernels: [{ version: "6.1*" }]
""",
    "Verify": """\
verify:
  qemu: false
  xen: { expect: "login:", timeout: 10min, memory: 1GiB }
""",
    "Ec2": """\
ec2:
  regions: [us-east-1, eu-west-1]
  tags: { owner: web-team }
""",
    "Debian": """\
rootfs:
  debian:
    suite: bookworm
    mirror: https://deb.debian.org/debian
    packages: [linux-image-amd64, initramfs-tools, systemd-sysv, nginx]
""",
    "Tar": """\
rootfs:
  tar:
    path: rootfs.tar.zst
    sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
""",
    "DiskImage": """\
rootfs: { image: { path: old-server.qcow2, root: /dev/sda2 } }
""",
    "OciLayout": """\
rootfs: { oci: { path: layout, tag: stable } }
""",
    "FilesystemSpec": """\
disk:
  layout: hd0
  filesystem: { type: ext4, label: root, mount_options: "noatime,errors=remount-ro" }
""",
    "Partition": """\
disk:
  layout: hd00
  size: 8GiB
  partitions:
    - { mount: /boot, size: 256MiB, filesystem: ext3 }
    - { size: 512MiB, filesystem: swap }
    - { size: rest, volume_group: vg0 }
  volume_groups:
    vg0: [{ name: root, size: rest, mount: /, filesystem: ext4 }]
""",
    "LogicalVolume": """\
disk:
  layout: hd00
  size: 8GiB
  partitions:
    - { mount: /boot, size: 256MiB, filesystem: ext3 }
    - { size: rest, volume_group: vg0 }
  volume_groups:
    vg0:
      - { name: root, size: 50%, mount: /, filesystem: ext4 }
      - { name: data, size: rest, mount: /srv, filesystem: xfs }
""",
    "Password": """\
system:
  root_password: { env: ROOT_PW } # export ROOT_PW="$(openssl passwd -6)"
""",
    "User": """\
system:
  users:
    - { name: admin, ssh_keys: [files/admin.pub], groups: [sudo] }
    - { name: worker, system: true }
""",
    "CloudInit": """\
system:
  cloud_init:
    user_data: files/user-data
    meta_data: { instance-id: web-1 }
    datasources: [NoCloud, None]
""",
    "Kernel": """\
boot:
  kernels:
    - { version: "6.1*" }
    - { kernel: vmlinuz-rescue, initrd: initrd-rescue, title: Rescue }
""",
    "Machine": """\
verify:
  xen: { expect: "login:", timeout: 10min, memory: 1GiB }
""",
    "PcMachine": """\
verify:
  bios: { disk: nvme }
""",
}
