package watch

import (
	"testing"

	"golang.org/x/sys/unix"

	"onmux/probe/nettest"
)

// The kernel reports the cookie of a socket that ends.
func TestListenDestroyed(t *testing.T) {
	h := nettest.NewHost(t)
	if err := h.Do(func() error {
		d := listenDestroyed()
		if d == nil {
			t.Skip("this kernel does not report the end of sockets")
		}
		defer d.close()
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		const soCookie = 57 // SO_COOKIE
		want, err := unix.GetsockoptUint64(fd, unix.SOL_SOCKET, soCookie)
		if err != nil {
			return err
		}
		if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: 4731}); err != nil {
			return err
		}
		unix.Close(fd)
		for cookies := range d.found {
			for _, got := range cookies {
				if got == want {
					return nil
				}
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// What is no message of the kernel's has no cookies.
func FuzzParseDestroyed(f *testing.F) {
	f.Add([]byte{})
	f.Add(make([]byte, 100))
	f.Fuzz(func(t *testing.T, b []byte) {
		if cookies := parseDestroyed(b); len(cookies)*72 > len(b) {
			t.Errorf("%d cookies in %d bytes", len(cookies), len(b))
		}
	})
}
