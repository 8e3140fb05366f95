package local

import (
	"encoding/json"
	"path/filepath"
)

// maxNamespaces bounds how many of containerd's namespaces are looked into.
const maxNamespaces = 100

// containerd reads the bundle of a container, which containerd keeps by its own
// namespace ("k8s.io", "moby", "default") and the container's id:
// core/runtime/v2/README.md of containerd. A user without root has such a directory
// among the user's own; where it cannot be read, nerdctl's data may tell the name.
func (c *containers) containerd(id, uid string) (name, pod string) {
	const tasks = "io.containerd.runtime.v2.task"
	state := "run/containerd"
	if uid != "" {
		state = filepath.Join("run/user", uid, "containerd")
	}
	for _, space := range few(c.path(state, tasks)) {
		if name, pod = c.bundle(c.path(state, tasks, space, id)); name != "" || pod != "" {
			return name, pod
		}
	}
	return c.nerdctl(id, uid), ""
}

// nerdctl reads its own record of names: <data root>/<hash of containerd's
// address>/names/<namespace>/<name> holds an id (nerdctl's docs/dir.md).
func (c *containers) nerdctl(id, uid string) string {
	data := c.path("var/lib/nerdctl")
	if uid != "" {
		home := c.homes(uid)
		if home == "" {
			return ""
		}
		data = c.path(home, ".local/share/nerdctl")
	}
	left := maxContainerNames
	for _, address := range few(data) {
		for _, space := range few(filepath.Join(data, address, "names")) {
			for _, name := range names(filepath.Join(data, address, "names", space)) {
				if left--; left < 0 {
					return ""
				}
				if b, err := readBounded(filepath.Join(data, address, "names", space, name), 128); err == nil && string(b) == id {
					return name
				}
			}
		}
	}
	return ""
}

// few lists a directory that has few entries.
func few(dir string) []string {
	all := names(dir)
	return all[:min(len(all), maxNamespaces)]
}

// crio reads the bundle of a container, which containers/storage keeps among the
// files of a run of the machine, or its copy among those that stay.
func (c *containers) crio(id string) (name, pod string) {
	for _, root := range []string{"run/containers/storage", "var/run/containers/storage", "var/lib/containers/storage"} {
		for _, driver := range drivers() {
			if name, pod = c.bundle(c.path(root, driver+"-containers", id, "userdata")); name != "" || pod != "" {
				return name, pod
			}
		}
	}
	return "", ""
}

// drivers are those of containers/storage.
func drivers() []string { return []string{"overlay", "vfs", "btrfs", "zfs"} }

// bundle reads a bundle's config.json (OCI runtime specification, config.md).
func (c *containers) bundle(dir string) (name, pod string) {
	b, err := readBounded(filepath.Join(dir, "config.json"), maxContainerFile)
	if err != nil {
		return "", ""
	}
	return parseBundle(b)
}

// parseBundle reads the annotations by which runtimes name containers: those of
// containerd's CRI plugin (internal/cri/annotations), of CRI-O
// (pkg/annotations), of the kubelet's labels that CRI-O keeps as they are, and of
// nerdctl (pkg/labels), which copies its labels.
func parseBundle(b []byte) (name, pod string) {
	var config struct {
		Annotations map[string]string `json:"annotations"`
	}
	if json.Unmarshal(b, &config) != nil {
		return "", ""
	}
	first := func(keys ...string) string {
		for _, k := range keys {
			if v := config.Annotations[k]; v != "" {
				return v
			}
		}
		return ""
	}
	pod = first("io.kubernetes.cri.sandbox-name", "io.kubernetes.pod.name")
	if space := first("io.kubernetes.cri.sandbox-namespace", "io.kubernetes.pod.namespace"); pod != "" && space != "" {
		pod = space + "/" + pod
	}
	return first("io.kubernetes.cri.container-name", "io.kubernetes.container.name", "nerdctl/name"), pod
}
