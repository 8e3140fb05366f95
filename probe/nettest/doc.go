// Package nettest gives a test binary a network of its own: Main runs the whole
// binary again inside a new network namespace, where loopback is up and there
// is no way out, and NewHost adds hosts in namespaces of their own, linked to
// the test's by a veth pair. Only tests import it.
package nettest
