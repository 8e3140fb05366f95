package local

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// files makes a file system of some files; a name that ends in / is a directory.
func files(t testing.TB, all map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, content := range all {
		path := filepath.Join(root, name)
		dir := filepath.Dir(path)
		if strings.HasSuffix(name, "/") {
			dir = path
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if dir == path {
			continue
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestContainerNames(t *testing.T) {
	digits := func(c string) string { return strings.Repeat(c, 64) }
	const uid = "1b2c3d4e-0001-4a5b-8c7d-00112233aabb"
	const tasks = "run/containerd/io.containerd.runtime.v2.task/"
	other := strings.Replace(uid, "1", "2", 1)
	root := files(t, map[string]string{
		"var/lib/docker/containers/" + digits("a") + "/config.v2.json":            `{"ID":"aa","Name":"/web","Config":{"Labels":{}}}`,
		"var/lib/docker/containers/" + digits("b") + "/config.v2.json":            `{"Name":`,
		"var/lib/docker/containers/" + digits("c") + "/config.v2.json":            `{"Name":"/` + strings.Repeat("x", 1000) + `"}`,
		"var/lib/docker/containers/" + digits("9") + "/config.v2.json/":           "",
		"var/lib/containers/storage/overlay-containers/containers.json":           `[{"id":"0"},{"id":"` + digits("d") + `","names":["db","other"]}]`,
		"home/app/.local/share/containers/storage/vfs-containers/containers.json": `[{"id":"` + digits("d") + `","names":["mine"]}]`,
		"var/log/containers/web-7f9_shop_nginx-" + digits("e") + ".log":           "",
		"var/log/containers/odd-" + digits("f") + ".log":                          "",
		"var/log/pods/shop_web-7f9_" + uid + "/":                                  "",

		// As the sources of containerd's CRI plugin, CRI-O and nerdctl write them.
		tasks + "k8s.io/" + digits("1") + "/config.json": `{"ociVersion":"1.2.0","process":{"args":["/api"]},"annotations":{"io.kubernetes.cri.container-name":"api",
			"io.kubernetes.cri.container-type":"container","io.kubernetes.cri.sandbox-id":"55","io.kubernetes.cri.sandbox-name":"api-0",
			"io.kubernetes.cri.sandbox-namespace":"shop","io.kubernetes.cri.sandbox-uid":"` + uid + `"}}`,
		tasks + "k8s.io/" + digits("5") + "/config.json": `{"annotations":{"io.kubernetes.cri.container-type":"sandbox","io.kubernetes.cri.sandbox-name":"api-0",
			"io.kubernetes.cri.sandbox-namespace":"shop"}}`,
		tasks + "k8s.io/" + digits("4") + "/config.json":                                                 `{"annotations":{"io.kubernetes.cri.container-name":"sidecar"}}`,
		tasks + "default/" + digits("6") + "/config.json":                                                `{"annotations":{"nerdctl/name":"blog","nerdctl/namespace":"default"}}`,
		tasks + "default/" + digits("0") + "/config.json":                                                `{"annotations":{"nerdctl/name":7}}`,
		"run/user/1000/containerd/io.containerd.runtime.v2.task/default/" + digits("6") + "/config.json": `{"annotations":{"nerdctl/name":"notes"}}`,
		"home/app/.local/share/nerdctl/1935db59/names/default/other":                                     digits("7"),
		"home/app/.local/share/nerdctl/1935db59/names/default/mine":                                      digits("5"),
		"run/containers/storage/overlay-containers/" + digits("2") + "/userdata/config.json": `{"annotations":{"io.kubernetes.container.name":"cache",
			"io.kubernetes.cri-o.ContainerType":"container","io.kubernetes.cri-o.Name":"k8s_cache_cache-0_shop_x_0","io.kubernetes.pod.name":"cache-0","io.kubernetes.pod.namespace":"shop"}}`,
		"var/lib/containers/storage/vfs-containers/containers.json": `[{"id":"` + digits("3") + `","names":["queue"]}]`,
	})
	fifo := filepath.Join(root, "var/lib/docker/containers", digits("8"), "config.v2.json")
	os.MkdirAll(filepath.Dir(fifo), 0o755)
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	pipe := filepath.Join(root, "home/evil/.local/share/nerdctl") // nobody will write to it
	os.MkdirAll(filepath.Dir(pipe), 0o755)
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	c := newContainers(root)
	c.homes = func(uid string) string { return map[string]string{"1000": "/home/app", "1002": "/home/evil"}[uid] }
	for _, in := range []struct {
		path, name, pod string
	}{
		{"/system.slice/docker-" + digits("a") + ".scope", "web", ""},
		{"/somewhere/" + digits("a"), "web", ""},
		{"/docker/" + digits("b"), "", ""},
		{"/docker/" + digits("c"), strings.Repeat("x", maxName), ""},
		{"/docker/" + digits("9"), "", ""},
		{"/docker/" + digits("8"), "", ""},
		{"/docker/" + digits("7"), "", ""},
		{"/machine.slice/libpod-" + digits("d") + ".scope", "db", ""},
		{"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" + digits("d") + ".scope", "mine", ""},
		{"/user.slice/user-1001.slice/user@1001.service/user.slice/libpod-" + digits("d") + ".scope", "", ""},
		{"/kubepods/pod" + uid + "/" + digits("e"), "nginx", "shop/web-7f9"},
		{"/kubepods/pod" + uid + "/" + digits("f"), "", "shop/web-7f9"},
		{"/kubepods/pod" + uid, "", "shop/web-7f9"},
		{"/kubepods/" + digits("f"), "", ""},
		{"/kubepods/pod" + strings.Replace(uid, "1", "2", 1) + "/crio-" + digits("d"), "db", ""},
		{"/kubepods.slice/kubepods-pod" + other + ".slice/cri-containerd-" + digits("1") + ".scope", "api", "shop/api-0"},
		{"/kubepods/pod" + other + "/" + digits("1"), "api", "shop/api-0"},
		{"/kubepods/pod" + other + "/" + digits("2"), "cache", "shop/cache-0"},
		{"/kubepods.slice/kubepods-pod" + other + ".slice/crio-" + digits("2") + ".scope", "cache", "shop/cache-0"},
		{"/kubepods.slice/kubepods-pod" + other + ".slice/crio-" + digits("3") + ".scope", "queue", ""},
		{"/kubepods/pod" + uid + "/" + digits("4"), "sidecar", "shop/web-7f9"},
		{"/k8s.io/" + digits("5"), "", "shop/api-0"},
		{"/system.slice/nerdctl-" + digits("6") + ".scope", "blog", ""},
		{"/user.slice/user-1000.slice/user@1000.service/user.slice/nerdctl-" + digits("6") + ".scope", "notes", ""},
		{"/user.slice/user-1000.slice/user@1000.service/user.slice/nerdctl-" + digits("5") + ".scope", "mine", ""},
		{"/user.slice/user-1002.slice/user@1002.service/user.slice/nerdctl-" + digits("6") + ".scope", "", ""},
		{"/user.slice/user-1001.slice/user@1001.service/user.slice/nerdctl-" + digits("6") + ".scope", "", ""},
		{"/system.slice/nerdctl-" + digits("0") + ".scope", "", ""},
		{"/lxc/web", "", ""},
		{"/system.slice/ssh.service", "", ""},
	} {
		for range 2 { // the second time from what is known
			if got := c.name(parseCgroup(in.path)); got.ContainerName != in.name || got.Pod != in.pod {
				t.Errorf("%s: %q of %q, want %q of %q", in.path, got.ContainerName, got.Pod, in.name, in.pod)
			}
		}
	}
	if got := newContainers("").name(parseCgroup("/docker/" + digits("a"))); got.ContainerName != "" || got.Container != "aaaaaaaaaaaa" {
		t.Errorf("%+v", got)
	}
}

func FuzzContainer(f *testing.F) {
	id := strings.Repeat("0", 64)
	f.Add("0::/system.slice/docker-"+id+".scope\n", `{"Name":"/web"}`, "web_shop_nginx-"+id+".log")
	f.Add("0::/kubepods/pod"+id[:32]+"/"+id+"\n", `[{"id":"`+id+`","names":["a"]}]`, "shop_web_"+id[:32])
	f.Add("0::/system.slice:docker:"+id+"\n", `[{"names":[]}]`, "__")
	f.Add("0::/k8s.io/"+id+"\n", `{"annotations":{"io.kubernetes.cri.container-name":"a","nerdctl/name":"b"}}`, "")
	f.Add("0::/lxc.payload.\xff\n", `null`, "_")
	f.Fuzz(func(t *testing.T, cgroups, list, log string) {
		c := parseCgroups([]byte(cgroups))
		if c.ContainerID != "" && (!isHex(c.ContainerID, 64) || c.Container != c.ContainerID[:12]) || len(c.Container) > maxName*3 || strings.Contains(c.ContainerID, "/") {
			t.Errorf("%q: %+v", cgroups, c)
		}
		if c.PodUID != "" && len(c.PodUID) != 32 && len(c.PodUID) != 36 {
			t.Errorf("%q: %+v", cgroups, c)
		}
		parseDocker([]byte(list))
		parsePodman([]byte(list), id)
		parseBundle([]byte(list))
		if name, pod, ok := parseContainerLog(log, id); ok && (name == "" || pod == "") {
			t.Errorf("%q: %q %q", log, name, pod)
		}
		if pod, ok := parsePodLog(log, id[:32]); ok && pod == "" {
			t.Errorf("%q", log)
		}
	})
}
