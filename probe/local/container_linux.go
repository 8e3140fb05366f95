package local

import (
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Bounds of what is read of the files of container runtimes.
const (
	maxContainerFile  = 4 << 20 // bytes
	maxContainerNames = 10000   // entries of a directory
)

// containers tells the names of containers and pods from the files that their
// runtimes keep. Root may read all of them; what may not be read is left out.
type containers struct {
	root  string // of the file system; "" for none
	homes func(uid string) string
	known map[string]cgroup // by what leads to them: the names alone
}

func newContainers(root string) *containers {
	return &containers{root: root, homes: home, known: make(map[string]cgroup)}
}

func home(uid string) string {
	if u, err := user.LookupId(uid); err == nil {
		return u.HomeDir
	}
	return ""
}

// name adds names to a place.
func (c *containers) name(in cgroup) Place {
	if c.root == "" || in.ContainerID == "" && in.PodUID == "" {
		return in.Place
	}
	key := in.ContainerID + " " + in.PodUID + " " + in.user
	found, ok := c.known[key]
	if !ok {
		found.ContainerName, found.Pod = c.find(in)
		c.known[key] = found
	}
	in.ContainerName, in.Pod = clip(found.ContainerName), clip(found.Pod)
	return in.Place
}

// find asks Kubernetes first: what the runtime below it calls a container is
// made of the same names.
func (c *containers) find(in cgroup) (name, pod string) {
	if in.PodUID != "" || in.Runtime == "kubernetes" {
		name, pod = c.kubernetes(in.ContainerID, in.PodUID)
	}
	if name != "" || in.ContainerID == "" {
		return name, pod
	}
	name, of := c.runtime(in)
	return name, cmp.Or(pod, of)
}

// runtime asks the files of the runtime that made the container.
func (c *containers) runtime(in cgroup) (name, pod string) {
	switch in.Runtime {
	case "podman":
		return c.podman(in.ContainerID, in.user), ""
	case "cri-o":
		if name, pod = c.crio(in.ContainerID); name == "" {
			name = c.podman(in.ContainerID, in.user)
		}
		return name, pod
	case "containerd":
		return c.containerd(in.ContainerID, in.user)
	case "kubernetes": // either of those two
		if name, pod = c.containerd(in.ContainerID, ""); name == "" {
			name, pod = c.crio(in.ContainerID)
		}
		return name, pod
	case "docker", "":
		return c.docker(in.ContainerID), ""
	}
	return "", ""
}

func (c *containers) path(parts ...string) string {
	return filepath.Join(c.root, filepath.Join(parts...))
}

// docker reads the file that dockerd keeps for a container (moby's
// container.Container).
func (c *containers) docker(id string) string {
	b, err := readBounded(c.path("var/lib/docker/containers", id, "config.v2.json"), maxContainerFile)
	if err != nil {
		return ""
	}
	return parseDocker(b)
}

func parseDocker(b []byte) string {
	var config struct{ Name string }
	if json.Unmarshal(b, &config) != nil {
		return ""
	}
	return strings.TrimPrefix(config.Name, "/")
}

// podman reads the list that containers/storage keeps, the system's or that of
// the user in whose slice the container is.
func (c *containers) podman(id, uid string) string {
	storage := "var/lib/containers/storage"
	if uid != "" {
		storage = filepath.Join(c.homes(uid), ".local/share/containers/storage")
	}
	for _, driver := range drivers() {
		b, err := readBounded(c.path(storage, driver+"-containers", "containers.json"), maxContainerFile)
		if err != nil {
			continue
		}
		if name := parsePodman(b, id); name != "" {
			return name
		}
	}
	return ""
}

func parsePodman(b []byte, id string) string {
	var list []struct {
		ID    string   `json:"id"`
		Names []string `json:"names"`
	}
	if json.Unmarshal(b, &list) != nil {
		return ""
	}
	for _, e := range list {
		if e.ID == id && len(e.Names) > 0 {
			return e.Names[0]
		}
	}
	return ""
}

// kubernetes reads the names of the kubelet's logs, which everybody may:
// /var/log/containers/<pod>_<namespace>_<container>-<id>.log, and
// /var/log/pods/<namespace>_<pod>_<uid>.
func (c *containers) kubernetes(id, uid string) (name, pod string) {
	for _, file := range names(c.path("var/log/containers")) {
		if name, pod, ok := parseContainerLog(file, id); ok {
			return name, pod
		}
	}
	for _, dir := range names(c.path("var/log/pods")) {
		if pod, ok := parsePodLog(dir, uid); ok {
			return "", pod
		}
	}
	return "", ""
}

func parseContainerLog(file, id string) (name, pod string, ok bool) {
	rest, ok := within(file, "", "-"+id+".log")
	parts := strings.Split(rest, "_")
	if !ok || id == "" || len(parts) != 3 || slices.Contains(parts, "") {
		return "", "", false
	}
	return parts[2], parts[1] + "/" + parts[0], true
}

func parsePodLog(dir, uid string) (pod string, ok bool) {
	parts := strings.Split(dir, "_")
	if len(parts) != 3 || slices.Contains(parts, "") || uid == "" || parts[2] != uid {
		return "", false
	}
	return parts[0] + "/" + parts[1], true
}

// names lists a directory, as far as that is bounded; nothing if it cannot.
func names(dir string) []string {
	f, err := os.OpenFile(dir, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil
	}
	defer f.Close()
	all, _ := f.Readdirnames(maxContainerNames)
	return all
}

// readBounded reads the first bytes of a file. Some of the files belong to users,
// who must not make root wait for the other end of a pipe.
func readBounded(file string, limit int64) ([]byte, error) {
	f, err := os.OpenFile(file, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, first(err, errors.New(file+" is no regular file"))
	}
	return io.ReadAll(io.LimitReader(f, limit))
}
