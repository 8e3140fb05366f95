package owner

import (
	"path"
	"strings"
)

// ParseCgroups reads /proc/<pid>/cgroup (cgroups(7)). The unit is that of the
// unified hierarchy or by systemd's own of version 1, the container by any.
func ParseCgroups(b []byte) Place {
	var all Place
	for line := range strings.Lines(string(b)) {
		parts := strings.SplitN(strings.TrimRight(line, "\n"), ":", 3)
		if len(parts) != 3 {
			continue
		}
		c := parseCgroup(parts[2])
		if unified := parts[0] == "0" && parts[1] == ""; (unified || parts[1] == "name=systemd") && c.Unit != "" {
			all.Unit = c.Unit
		}
		if all.Container == "" && c.Container != "" {
			all.Container, all.Runtime, all.ContainerID = c.Container, c.Runtime, c.ContainerID
		}
		if all.PodUID == "" {
			all.PodUID = c.PodUID
		}
	}
	return all
}

// parseCgroup reads a cgroup's path. Of units, containers and pods inside one
// another it returns the innermost.
func parseCgroup(dir string) Place {
	var c Place
	components := splitCgroup(dir)
	for i := len(components) - 1; i >= 0; i-- {
		name, parent := components[i], ""
		if i > 0 {
			parent = components[i-1]
		}
		if c.Unit == "" && isUnit(name) {
			c.Unit = name
		}
		if c.Container == "" && c.PodUID == "" {
			c.Runtime, c.Container, c.ContainerID = containerOf(name, parent)
		}
		if c.PodUID == "" {
			c.PodUID = podOf(name)
		}
	}
	if c.Container != "" && c.Runtime == "" {
		c.Runtime = runtimeAbove(components)
	}
	return c
}

// splitCgroup divides a path into its components. Runtimes that are set to let
// systemd make their cgroups and do not ("slice:prefix:id") count as if they did.
func splitCgroup(dir string) []string {
	components := strings.Split(dir, "/")
	last := len(components) - 1
	if parts := strings.Split(components[last], ":"); len(parts) == 3 && isHex(parts[2], 64) {
		components = append(components[:last], parts[0], parts[1]+"-"+parts[2])
	}
	return components
}

// isUnit is true for the units of systemd that have processes or sockets.
func isUnit(name string) bool {
	switch path.Ext(name) {
	case ".service", ".socket", ".scope":
		return true
	}
	return false
}

// scopes is what runtimes call the cgroup of a container before its id, with
// systemd's driver and mostly without.
var scopes = map[string]string{
	"docker": "docker", "cri-containerd": "containerd", "nerdctl": "containerd", "crio": "cri-o", "libpod": "podman",
	"libpod-payload": "podman",
}

// containerOf reads one component of a path. What runs beside a container to
// watch it (libpod-conmon-…, lxc.monitor.…) is not inside.
func containerOf(name, parent string) (runtime, container, id string) {
	if lxc, ok := strings.CutPrefix(name, "lxc.payload."); ok && lxc != "" {
		return "lxc", clip(lxc), ""
	}
	if nspawn, ok := within(name, "systemd-nspawn@", ".service"); ok {
		return "systemd-nspawn", clip(nspawn), ""
	}
	if name != "" && (parent == "lxc" || parent == "lxc.payload") {
		return "lxc", clip(name), ""
	}
	bare := strings.TrimSuffix(name, ".scope")
	cut := strings.LastIndexByte(bare, '-')
	id = bare[cut+1:]
	if !isHex(id, 64) {
		return "", "", ""
	}
	if cut >= 0 {
		var known bool
		if runtime, known = scopes[bare[:cut]]; !known && strings.HasSuffix(bare[:cut], "-conmon") {
			return "", "", ""
		}
	}
	return runtime, id[:12], id
}

// runtimeAbove is the runtime of a container whose own component does not have it.
func runtimeAbove(components []string) string {
	for _, c := range components {
		switch {
		case c == "docker":
			return "docker"
		case c == "libpod_parent":
			return "podman"
		case c == "k8s.io":
			return "containerd"
		case strings.HasPrefix(c, "kubepods"):
			return "kubernetes"
		}
	}
	return ""
}

// podOf is a pod's uid: "pod" and the uid, or in a slice of systemd's, with _
// for -, "kubepods-burstable-pod…". That of a static pod is the hash of its file.
func podOf(name string) string {
	uid, slice := strings.CutSuffix(name, ".slice")
	if slice {
		uid = strings.ReplaceAll(uid[strings.LastIndexByte(uid, '-')+1:], "_", "-")
	}
	uid, ok := strings.CutPrefix(uid, "pod")
	if digits := strings.ReplaceAll(uid, "-", ""); !ok || !isHex(digits, 32) || len(uid) != 32 && len(uid) != 36 {
		return ""
	}
	return uid
}

func isHex(s string, digits int) bool {
	return len(s) == digits && strings.Trim(s, "0123456789abcdef") == ""
}

// within is the text between a prefix and a suffix; false if that is nothing.
func within(s, prefix, suffix string) (string, bool) {
	s, ok1 := strings.CutPrefix(s, prefix)
	s, ok2 := strings.CutSuffix(s, suffix)
	return s, ok1 && ok2 && s != ""
}
