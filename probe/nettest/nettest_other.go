//go:build !linux

package nettest

import (
	"errors"
	"net/netip"
	"os"
	"testing"
)

// Run runs the tests here: only Linux has network namespaces.
func Run(m Tests) int {
	os.Setenv(marker, "only Linux has them")
	return wide(m)
}

// Alone is Run.
func Alone(m Tests) int { return Run(m) }

// AloneIfAllowed is Run.
func AloneIfAllowed(m Tests) int { return Run(m) }

// IsAlone is false: only Linux has process namespaces.
func IsAlone() bool { return false }

// NewHost skips the test.
func NewHost(t testing.TB) *Host {
	Need(t)
	return nil
}

// Do has no host to run f in.
func (h *Host) Do(func() error) error { return errors.ErrUnsupported }

// Rule has no host to add r to.
func (h *Host) Rule(t testing.TB, family string, r Rule) { t.Skip("no host for the rule") }

// NewChain skips the test.
func NewChain(t testing.TB, n int) *Chain {
	Need(t)
	return nil
}

// Forward has no host to add r to.
func (h *Host) Forward(t testing.TB, family string, r Rule) { t.Skip("no host for the rule") }

// Redirect has no host whose ports to lead anywhere.
func (h *Host) Redirect(t testing.TB, to uint16) { t.Skip("no host for the rule") }

// AddLocal needs Linux.
func (h *Host) AddLocal(t testing.TB, p netip.Prefix) { t.Skip("no host for the addresses") }
