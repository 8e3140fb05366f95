package phrase

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"onmux/probe"
	"onmux/probe/wording"
)

// exchanges are the requests by which a service was identified, or was not, one line each.
func exchanges(r probe.Result) (out []string) {
	if len(r.Exchanges) == 0 {
		return nil
	}
	began := r.Exchanges[0].Time
	for _, x := range r.Exchanges {
		out = append(out, exchange(x, x.Time.Sub(began)))
	}
	return out
}

// exchange is "request http, connection 1, at 0.10 s: 18 bytes sent, 512 received after 0.2 ms:
// "HTTP/1.1 …"; the peer closed the connection".
func exchange(x probe.Exchange, at time.Duration) string {
	head := []string{"request " + Visible(x.Request)}
	if x.Connection > 0 {
		head = append(head, "connection "+strconv.Itoa(x.Connection))
	}
	if x.InTLS {
		head = append(head, "in TLS")
	}
	head = append(head, fmt.Sprintf("at %.2f s", at.Seconds()))
	var parts []string
	if x.End != probe.EndRefused && x.End != probe.EndNotAccepted {
		if x.SentBytes > 0 {
			parts = append(parts, wording.Count(x.SentBytes, "byte", "bytes")+" sent")
		}
		if x.IsAnswered() {
			parts = append(parts, wording.Count(x.AnswerSize, "byte", "bytes")+" received: "+
				Clip(strconv.QuoteToASCII(string(x.Answer)), maxBanner))
		} else {
			parts = append(parts, "no answer")
		}
	}
	if end := connectionEnds[x.End]; end != "" {
		parts = append(parts, end)
	}
	return strings.Join(head, ", ") + ": " + strings.Join(parts, "; ")
}

var connectionEnds = map[probe.ConnEnd]string{
	probe.EndContinued:   "the connection is used for the next",
	probe.EndLeft:        "this side closed the connection",
	probe.EndClosed:      "the peer closed the connection",
	probe.EndReset:       "the peer reset the connection",
	probe.EndRefused:     "the connection was refused",
	probe.EndNotAccepted: "the connection was not accepted",
}

// withdrawn states that an endpoint stopped answering while it was identified.
func withdrawn(r probe.Result) string {
	w := r.Withdrawn
	how := "refused"
	if w.End == probe.EndNotAccepted {
		how = "not accepted"
	}
	now := "it is " + r.State.String() + " now"
	if r.State == w.State {
		now = "probed once more, it is " + r.State.String()
	}
	return fmt.Sprintf("it stopped answering after the request %s: the next connection was %s; %s", Visible(w.After), how,
		now)
}
