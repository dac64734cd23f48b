#!/bin/busybox sh
# The first program of the tests' virtual machine: finds its two disks and goes on from the first. It has busybox alone.
export PATH=/bin
busybox mount -t devtmpfs dev /dev
# in any order: those that need others come in a later round
for round in 1 2 3 4; do
  for module in /modules/*.ko; do
    busybox insmod "$module" 2>/dev/null
  done
done
busybox mount -t ext4 /dev/vda /root &&
  busybox mount -t ext4 /dev/vdb /root/project &&
  exec busybox switch_root /root /project/test/machine/init.sh
busybox echo 'machine: its disks cannot be mounted'
busybox poweroff -f
