#!/bin/sh
# Process 1 of the tests' virtual machine: makes of a bare root what a system has, runs /project/.machine/run.sh, and
# turns the machine off.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp
mount -t proc proc /proc
# what the kernel says would be in the middle of what the tests do
echo 1 >/proc/sys/kernel/printk
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/shm /dev/pts
mount -t tmpfs shm /dev/shm
mount -t devpts pts /dev/pts
mount -t tmpfs tmp /tmp
mount -t tmpfs run /run
chmod 1777 /tmp /dev/shm
busybox ip link set lo up
hostname machine
[ -e /etc/passwd ] || echo 'root:x:0:0::/root:/bin/sh' >/etc/passwd

# A group that is delegated, as a manager of services does it: its processes are in one below, and it passes the
# controllers on (https://docs.kernel.org/admin-guide/cgroup-v2.html#delegation).
mount -t cgroup2 cgroup /sys/fs/cgroup
echo '+cpu +memory +pids' >/sys/fs/cgroup/cgroup.subtree_control
mkdir -p /sys/fs/cgroup/delegated/own
echo '+cpu +memory +pids' >/sys/fs/cgroup/delegated/cgroup.subtree_control
echo $$ >/sys/fs/cgroup/delegated/own/cgroup.procs

cd /project || exit 1
sh .machine/run.sh </dev/null
sync
busybox poweroff -f
