// Package owner answers which processes hold a socket. One pass over the
// descriptors of all processes (/proc/<pid>/fd), by several workers, looks for the
// wanted inodes alone; processes that were forked from one another and run the
// same program count as one owner with workers.
//
// The unit, container and pod of an owner are read from the path of its cgroup. Of
// a socket whose owner may not be seen, the cgroup in which it was made (from
// Linux 5.9 on) has the unit, and the processes that may hold it; the same is how
// a socket that systemd holds is known to be that of a .socket unit (systemd 235
// and newer). Neither systemd nor a container runtime is asked.
package owner
