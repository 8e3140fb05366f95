// Package local answers what holds a port on this machine, and who owns it. On
// Linux the kernel is asked through sock_diag(7), filtered by port in the
// kernel, with /proc/net as the fallback; the owning processes come from one
// pass over /proc/<pid>/fd for the wanted inodes alone. Elsewhere gopsutil
// tells as much as the system does. What could not be read is said in the
// coverage and makes a verdict "unknown", never "free".
package local
