package owner

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"onmux/probe/local/socket"
)

// Of the processes of a user, those of another network namespace are no
// candidates, unless there are no others.
func TestCandidatesBySpace(t *testing.T) {
	const status = "Name:\tx\nUid:\t7\t7\t7\t7\n"
	root := files(t, map[string]string{
		"10/status": status, "11/status": status, "12/status": status, "13/status": status, "14/status": "Uid:\t8\t8\t8\t8\n",
		"10/net/dev": "", "11/net/dev": "", "12/net/": "", "14/net/": "", "10/task/10/net/": "",
	})
	// hard links have one inode, as namespaces do
	for _, link := range []string{"10/task/10/net/dev", "12/net/dev", "14/net/dev"} {
		if err := os.Link(filepath.Join(root, "10/net/dev"), filepath.Join(root, link)); err != nil {
			t.Fatal(err)
		}
	}
	for _, link := range []string{"self", "thread-self"} {
		if err := os.Symlink("10", filepath.Join(root, link)); err != nil {
			t.Fatal(err)
		}
	}
	there, err := InodeOf(filepath.Join(root, "11/net/dev"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		socket socket.Socket
		unread []int
		want   []int
	}{
		{"here, and one that is not known", socket.Socket{UID: 7}, []int{10, 11, 12, 13, 14}, []int{10, 12, 13}},
		{"there", socket.Socket{UID: 7, NetNS: there}, []int{10, 11, 12}, []int{11}},
		{"none is there", socket.Socket{UID: 7, NetNS: there}, []int{10, 12}, []int{10, 12}},
		{"of no process", socket.Socket{UID: 9}, []int{10, 11, 12}, nil},
	} {
		p := ProcFS{Root: root}
		f := originFinder{ownerGrouper: newOwnerGrouper(p), Scan: Scan{Unreadable: c.unread, Listed: c.unread}}
		var got []int
		for _, one := range f.ofUser(c.socket) {
			got = append(got, one.PID)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
