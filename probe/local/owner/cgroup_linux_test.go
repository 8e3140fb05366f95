package owner

import (
	"strings"
	"testing"
)

// How runtimes and systemd lay out their cgroups, under version 1, hybrid and
// version 2, as /proc/<pid>/cgroup has them.
func TestParseCgroups(t *testing.T) {
	id := strings.Repeat("0123456789abcdef", 4)
	short := id[:12]
	const uid, hash = "1b2c3d4e-0001-4a5b-8c7d-00112233aabb", "c4e3f8a6d5b2918273645546372819aa"
	slice := strings.ReplaceAll(uid, "-", "_")
	docker := "docker-" + id + ".scope"
	for _, c := range []struct {
		name, in string
		want     Place
	}{
		{"a service", "0::/system.slice/ssh.service\n", Place{Unit: "ssh.service"}},
		{"a user's service", "0::/user.slice/user-1000.slice/user@1000.service/app.slice/web.service\n",
			Place{Unit: "web.service"}},
		{"a session", "0::/user.slice/user-1000.slice/session-3.scope\n", Place{Unit: "session-3.scope"}},
		{"below a service", "0::/system.slice/nginx.service/workers\n", Place{Unit: "nginx.service"}},
		{"an instance", "0::/system.slice/system-getty.slice/getty@tty1.service\n", Place{Unit: "getty@tty1.service"}},
		{"a socket", "0::/system.slice/ssh.socket\n", Place{Unit: "ssh.socket"}},
		{"systemd itself", "0::/init.scope\n", Place{Unit: "init.scope"}},
		{"v1", "12:cpu:/system.slice/a.service\n1:name=systemd:/system.slice/b.service\n", Place{Unit: "b.service"}},
		{"hybrid, nothing unified", "1:name=systemd:/system.slice/b.service\n0::/\n", Place{Unit: "b.service"}},
		{"hybrid", "1:name=systemd:/system.slice/b.service\n0::/system.slice/b.service\n", Place{Unit: "b.service"}},

		{"docker, systemd, v2", "0::/system.slice/" + docker + "\n",
			Place{Unit: docker, Container: short, Runtime: "docker"}},
		{"docker, cgroupfs, v2", "0::/docker/" + id + "\n", Place{Container: short, Runtime: "docker"}},
		{"docker, cgroupfs, v1", "12:pids:/docker/" + id + "\n1:name=systemd:/docker/" + id + "\n",
			Place{Container: short, Runtime: "docker"}},
		{"docker, systemd, v1", "12:pids:/system.slice/" + docker + "\n1:name=systemd:/system.slice/" + docker + "\n",
			Place{Unit: docker, Container: short, Runtime: "docker"}},
		{"docker, rootless", "0::/user.slice/user-1000.slice/user@1000.service/user.slice/" + docker + "\n",
			Place{Unit: docker, Container: short, Runtime: "docker"}},
		{"docker, below its own cgroup", "0::/system.slice/" + docker + "/init\n",
			Place{Unit: docker, Container: short, Runtime: "docker"}},
		{"docker, seen from another cgroup namespace", "0::/../" + docker + "\n",
			Place{Unit: docker, Container: short, Runtime: "docker"}},
		{"docker, a parent of one's own", "0::/ci/jobs/" + id + "\n", Place{Container: short}},
		{"systemd inside of docker", "0::/system.slice/" + docker + "/system.slice/web.service\n",
			Place{Unit: "web.service", Container: short, Runtime: "docker"}},

		{"containerd, v2", "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + slice +
			".slice/cri-containerd-" + id + ".scope\n",
			Place{Unit: "cri-containerd-" + id + ".scope", Container: short, Runtime: "containerd", PodUID: uid}},
		{"containerd, guaranteed, v2", "0::/kubepods.slice/kubepods-pod" + slice + ".slice/cri-containerd-" + id + ".scope\n",
			Place{Unit: "cri-containerd-" + id + ".scope", Container: short, Runtime: "containerd", PodUID: uid}},
		{"containerd, v1", "5:cpu:/kubepods/besteffort/pod" + uid + "/" + id + "\n1:name=systemd:/kubepods/besteffort/pod" +
			uid + "/" + id + "\n",
			Place{Container: short, Runtime: "kubernetes", PodUID: uid}},
		{"containerd, drivers that differ, v1",
			"1:name=systemd:/system.slice/containerd.service/kubepods-besteffort-pod" + slice + ".slice:cri-containerd:" + id +
				"\n",
			Place{Unit: "containerd.service", Container: short, Runtime: "containerd", PodUID: uid}},
		{"a static pod", "0::/kubepods/burstable/pod" + hash + "/" + id + "\n",
			Place{Container: short, Runtime: "kubernetes", PodUID: hash}},
		{"cri-o, v2", "0::/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" + slice + ".slice/crio-" + id +
			".scope\n",
			Place{Unit: "crio-" + id + ".scope", Container: short, Runtime: "cri-o", PodUID: uid}},
		{"cri-o, v1", "5:cpu:/kubepods/burstable/pod" + uid + "/crio-" + id + "\n",
			Place{Container: short, Runtime: "cri-o", PodUID: uid}},
		{"cri-o, below its own cgroup",
			"0::/kubepods.slice/kubepods-pod" + slice + ".slice/crio-" + id + ".scope/container\n",
			Place{Unit: "crio-" + id + ".scope", Container: short, Runtime: "cri-o", PodUID: uid}},
		{"cri-o's watcher", "0::/kubepods.slice/kubepods-pod" + slice + ".slice/crio-conmon-" + id + ".scope\n",
			Place{Unit: "crio-conmon-" + id + ".scope", PodUID: uid}},
		{"Kubernetes on docker", "0::/kubepods.slice/kubepods-pod" + slice + ".slice/" + docker + "\n",
			Place{Unit: docker, Container: short, Runtime: "docker", PodUID: uid}},
		{"Kubernetes in docker",
			"0::/docker/" + strings.Repeat("f", 64) + "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod" + slice +
				".slice/cri-containerd-" + id + ".scope\n",
			Place{Unit: "cri-containerd-" + id + ".scope", Container: short, Runtime: "containerd", PodUID: uid}},
		{"a pod and no container", "0::/docker/" + id + "/kubepods/pod" + uid + "\n", Place{PodUID: uid}},
		{"docker, a driver that differs", "5:cpu:/system.slice:docker:" + id + "\n",
			Place{Container: short, Runtime: "docker"}},
		{"nerdctl", "0::/system.slice/nerdctl-" + id + ".scope\n",
			Place{Unit: "nerdctl-" + id + ".scope", Container: short, Runtime: "containerd"}},
		{"containerd by itself", "0::/k8s.io/" + id + "\n", Place{Container: short, Runtime: "containerd"}},

		{"podman", "0::/machine.slice/libpod-" + id + ".scope/container\n",
			Place{Unit: "libpod-" + id + ".scope", Container: short, Runtime: "podman"}},
		{"podman, rootless", "0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" + id +
			".scope/container\n",
			Place{Unit: "libpod-" + id + ".scope", Container: short, Runtime: "podman"}},
		{"podman, cgroupfs, v1", "5:cpu:/libpod_parent/libpod-" + id + "\n", Place{Container: short, Runtime: "podman"}},
		{"podman in a unit", "0::/system.slice/web.service/libpod-payload-" + id + "\n",
			Place{Unit: "web.service", Container: short, Runtime: "podman"}},
		{"podman's watcher", "0::/machine.slice/libpod-conmon-" + id + ".scope\n",
			Place{Unit: "libpod-conmon-" + id + ".scope"}},

		{"lxc, v2", "0::/lxc.payload.web\n", Place{Container: "web", Runtime: "lxc"}},
		{"lxc, v2, with systemd", "0::/lxc.payload.web/system.slice/ssh.service\n",
			Place{Unit: "ssh.service", Container: "web", Runtime: "lxc"}},
		{"lxc, v1", "1:name=systemd:/lxc/web\n", Place{Container: "web", Runtime: "lxc"}},
		{"lxc 4, v1", "1:name=systemd:/lxc.payload/web\n", Place{Container: "web", Runtime: "lxc"}},
		{"lxc's watcher", "0::/lxc.monitor.web\n", Place{}},
		{"nspawn", "0::/machine.slice/systemd-nspawn@web.service/payload\n",
			Place{Unit: "systemd-nspawn@web.service", Container: "web", Runtime: "systemd-nspawn"}},

		{"the root", "0::/\n", Place{}},
		{"not quite an id", "0::/docker/" + id[:63] + "\n", Place{}},
		{"not quite a pod", "0::/kubepods/pod7/" + id + "\n", Place{Container: short, Runtime: "kubernetes"}},
		{"nonsense", "nonsense", Place{}},
		{"nothing", "", Place{}},
		{"long", "0::/lxc/" + strings.Repeat("é", 200) + "\n",
			Place{Container: strings.Repeat("é", maxName/2), Runtime: "lxc"}},
	} {
		if c.want.Container == short {
			c.want.ContainerID = id
		}
		if got := ParseCgroups([]byte(c.in)); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

func FuzzCgroups(f *testing.F) {
	id := strings.Repeat("0", 64)
	f.Add("0::/system.slice/docker-" + id + ".scope\n")
	f.Add("0::/kubepods/pod" + id[:32] + "/" + id + "\n")
	f.Add("0::/system.slice:docker:" + id + "\n")
	f.Add("0::/lxc.payload.\xff\n")
	f.Fuzz(func(t *testing.T, cgroups string) {
		p := ParseCgroups([]byte(cgroups))
		if p.ContainerID != "" && (!isHex(p.ContainerID, 64) || p.Container != p.ContainerID[:12]) ||
			len(p.Container) > maxName*3 || strings.Contains(p.ContainerID, "/") {
			t.Errorf("%q: %+v", cgroups, p)
		}
		if p.PodUID != "" && len(p.PodUID) != 32 && len(p.PodUID) != 36 {
			t.Errorf("%q: %+v", cgroups, p)
		}
	})
}
