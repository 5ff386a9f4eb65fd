#!/bin/busybox sh
# The guest's first process: brings the machine up, runs /lab/plan.sh and turns the machine off.
# What runs is written to three ports of their own, apart from the console: output, errors, and the kernel's log.

/bin/busybox --install -s /bin
export PATH=/bin HOME=/tmp TMPDIR=/tmp
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mount -t tmpfs tmpfs /tmp
mkdir -p /dev/shm /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t devpts devpts /dev/pts
[ -e /dev/fd ] || ln -s /proc/self/fd /dev/fd
hostname lab
. /lab/settings.sh

port() {
  for entry in /sys/class/virtio-ports/*; do
    [ "$(cat "$entry/name")" = "$1" ] && echo "/dev/${entry##*/}" && return
  done
}

mark() {
  printf '\036@@lab %s %s\n' "$TOKEN" "$*" >&5
  printf '\036@@lab %s %s\n' "$TOKEN" "$*" >&6
}

fail() {
  mark failed "$*"
  echo "lab: $*"
  finish
}

# A port takes at most 32 KiB at a time and says so, which Node's standard output does not look at: a pipe between
# them keeps the rest from being lost.
finish() {
  exec 5>&- 6>&-
  (sleep 5; poweroff -f) & # A process that was left behind may hold the pipes open.
  wait "$output_relay" "$errors_relay"
  usleep 50000 # The kernel's log has no end to wait for.
  poweroff -f
}

# job ID DIRECTORY COMMAND…
job() {
  id=$1
  directory=$2
  shift 2
  mark begin "$id"
  (cd "$directory" && exec "$@") </dev/null >&5 2>&6 5>&- 6>&-
  mark end "$id" $?
}

# bind VENDOR:DEVICE DRIVER first|every
bind() {
  for path in /sys/bus/pci/devices/*; do
    [ "$(cut -c3- "$path/vendor"):$(cut -c3- "$path/device")" = "$1" ] || continue
    address=${path##*/}
    [ -e "$path/driver" ] && echo "$address" >"$path/driver/unbind"
    echo "$2" >"$path/driver_override"
    echo "$address" >/sys/bus/pci/drivers_probe
    [ -e "$path/driver" ] || fail "$1 at $address could not be bound to $2"
    [ "$3" = every ] || return 0
  done
}

mkfifo /tmp/.output /tmp/.errors
cat /tmp/.output >"$(port lab.output)" &
output_relay=$!
cat /tmp/.errors >"$(port lab.errors)" &
errors_relay=$!
cat /dev/kmsg >"$(port lab.kernel-log)" &
exec 5>/tmp/.output 6>/tmp/.errors
rm /tmp/.output /tmp/.errors

while read -r module parameters; do
  insmod "/lib/modules/$module.ko" $parameters || fail "insmod $module failed"
done </lab/modules
while read -r device driver which; do
  bind "$device" "$driver" "$which"
done </lab/bindings
echo "$HUGE_PAGES" >/proc/sys/vm/nr_hugepages

if [ "$TIMEOUT" -gt 0 ]; then
  # Should the host's side be gone, the guest does not stay behind for ever.
  (sleep $((TIMEOUT + 60)); poweroff -f) 5>&- 6>&- &
fi

. /lab/plan.sh
mark done
finish
