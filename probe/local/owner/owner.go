package owner

import "time"

// Owner is a process that holds a socket, with those forked from it that share
// the socket and run the same program folded in as workers.
type Owner struct {
	PID        int       `json:"pid"`
	Name       string    `json:"name,omitempty"`
	Comm       string    `json:"comm,omitempty"` // the name as the kernel cuts it, at 15 bytes, if Name is longer
	Exe        string    `json:"exe,omitempty"`
	ExeDeleted bool      `json:"exe_deleted,omitempty"` // the running file is no longer at Exe, as after an upgrade
	Cmdline    []string  `json:"cmdline,omitempty"`
	Masked     bool      `json:"masked,omitempty"` // Cmdline has "[masked]" in place of secrets
	User       string    `json:"user,omitempty"`   // its name, or the number where it has none
	UID        *uint32   `json:"uid,omitempty"`
	Started    time.Time `json:"started,omitzero"`
	Place
	SocketUnit string    `json:"socket_unit,omitempty"` // for which systemd, which is the owner, holds the socket
	Workers    []int     `json:"workers,omitempty"`
	Parents    []Process `json:"parents,omitempty"`   // the parent, its parent, and so on
	Unrelated  bool      `json:"unrelated,omitempty"` // neither ancestor nor descendant of another owner
	Ended      bool      `json:"ended,omitempty"`     // it ended while it was read: the rest is not known
}

// Process names a process.
type Process struct {
	PID  int    `json:"pid"`
	Name string `json:"name,omitempty"`
}

// Place is where a process runs, or where a socket was made, as the path of its
// cgroup has it (cgroups(7)). A name is cut to 256 bytes.
type Place struct {
	Unit string `json:"unit,omitempty"` // systemd's, the innermost
	// the first 12 digits of its id; LXC and systemd-nspawn go by names
	Container     string `json:"container,omitempty"`
	ContainerID   string `json:"container_id,omitempty"`   // the whole of that id
	ContainerName string `json:"container_name,omitempty"` // in reports of earlier versions
	// "docker", "containerd", "cri-o", "podman", "lxc", "systemd-nspawn"; "kubernetes" if no more is known
	Runtime string `json:"runtime,omitempty"`
	Pod     string `json:"pod,omitempty"` // Kubernetes' "namespace/name", in reports of earlier versions
	PodUID  string `json:"pod_uid,omitempty"`
}

// Origin is where a socket was made, and who may hold it.
type Origin struct {
	Place
	Candidates     []Candidate `json:"candidates,omitempty"`      // likely ones first; none of them is known to hold it
	MoreCandidates int         `json:"more_candidates,omitempty"` // beyond those listed
}

// Candidate is a process that may hold a socket whose owner could not be found: its
// descriptors could not be read.
type Candidate struct {
	Process
	// it fits the socket best: by the port in its command line, the port's service, the unit
	Likely bool   `json:"likely,omitempty"`
	By     string `json:"by"` // the evidence: "cgroup", that it is in the one in which the socket was made, or "user"
}

// Behind is the socket to which a proxy, or a rule, passes on what it takes.
type Behind struct {
	Address string  `json:"address"`         // "127.0.0.1:9090"; of a proxy as its command line has it
	NetNS   string  `json:"netns,omitempty"` // "host" for the caller's own
	Owners  []Owner `json:"owners,omitempty"`
}
