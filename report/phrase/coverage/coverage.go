package coverage

import (
	"fmt"

	"onmux/probe/recog"
	"onmux/probe/wording"
)

// Addresses states what a probe without a count covers.
const Addresses = "every address of the host that was found, each port once"

// Repeated states what a probe of so many attempts at each endpoint covers; 0 has no bound.
func Repeated(attempts int) string {
	if attempts == 0 {
		return "every address of the host that was found, each port until interrupted"
	}
	return fmt.Sprintf("every address of the host that was found, each port %s times", wording.Number(attempts))
}

// NotFully states that details are missing of some endpoints.
func NotFully(n, of int) string {
	return fmt.Sprintf("not fully probed: %s of %s", wording.Number(n), wording.Count(of, "endpoint", "endpoints"))
}

// NotReached states that some endpoints were not probed.
func NotReached(n uint64, of int) string {
	return fmt.Sprintf("not reached: %s of %s", wording.Number(n), wording.Count(of, "endpoint", "endpoints"))
}

// CutOff states that some endpoints had fewer attempts than they should have had.
func CutOff(n, of int) string {
	return fmt.Sprintf("cut off before the last attempt: %s of %s", wording.Number(n),
		wording.Count(of, "endpoint", "endpoints"))
}

// NothingProbed states why nothing was.
func NothingProbed(why error) string { return "nothing was probed: " + why.Error() }

// Connects states that a scan connects, though packets were to be preferred, and why.
func Connects(why error) string { return "scanned by connections, not by packets: " + why.Error() }

// NetworksUnread states what a scan does not know without the networks of this machine.
func NetworksUnread(why error) string {
	return fmt.Sprintf("%v; their broadcast addresses are not left out, and neighbours and routes are not known", why)
}

// Fingerprints are sentences about what a library of fingerprints lacks.
func Fingerprints(l *recog.Library) (out []string) {
	for _, n := range l.Notes() {
		if n.Err != nil {
			out = append(out, fmt.Sprintf("fingerprints: %v", n.Err))
			continue
		}
		out = append(out, fmt.Sprintf("fingerprints: %s.xml: %s of %s patterns are left out: "+
			"Go's regular expressions cannot express them", n.File, wording.Number(n.Left),
			wording.Number(n.Total)))
	}
	return out
}
