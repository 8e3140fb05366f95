// Package local answers what holds a port on this machine, and who owns it. On
// Linux the kernel is asked through sock_diag(7), filtered by port in the
// kernel, with /proc/net as the fallback; the owning processes come from one
// pass over /proc/<pid>/fd for the wanted inodes alone. Elsewhere gopsutil
// tells as much as the system does. What could not be read is said in the
// coverage and makes a verdict "unknown", never "free".
//
// A unit, a container and a pod are read from the path of a cgroup. What systemd holds for a .socket unit
// is told by the cgroup of the socket, from Linux 5.9 and systemd 235 on, unless
// that manager may not use BPF; neither systemd nor a runtime is asked. Of a
// socket whose owner may not be seen, the same cgroup tells the unit and who may
// hold it.
package local
