package phrase

import (
	"slices"
	"testing"
	"time"

	"onmux/probe"
)

// Each request is a line: which connection, when, what was sent, what came back, and how the
// connection ended.
func TestExchanges(t *testing.T) {
	began := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	r := probe.Result{Details: probe.Details{Exchanges: []probe.Exchange{
		{Request: "wait", Connection: 1, Time: began, End: probe.EndContinued},
		{Request: "http", Connection: 1, Time: began.Add(100 * time.Millisecond), SentBytes: 18, Sent: []byte("GET /"),
			AnswerSize: 5, Answer: []byte("no\x00\r\n"), End: probe.EndClosed},
		{Request: "ldap", Connection: 2, InTLS: true, Time: began.Add(1500 * time.Millisecond), SentBytes: 1,
			End: probe.EndLeft},
		{Request: "smb", Connection: 3, Time: began.Add(2 * time.Second), End: probe.EndNotAccepted},
		{Request: "snmp-v3", Time: began.Add(3 * time.Second), SentBytes: 63},
	}}}
	want := []string{
		`request wait, connection 1, at 0.00 s: no answer; the connection is used for the next`,
		`request http, connection 1, at 0.10 s: 18 bytes sent; ` +
			`5 bytes received: "no\x00\r\n"; the peer closed the connection`,
		`request ldap, connection 2, in TLS, at 1.50 s: 1 byte sent; no answer; this side closed the connection`,
		`request smb, connection 3, at 2.00 s: the connection was not accepted`,
		`request snmp-v3, at 3.00 s: 63 bytes sent; no answer`,
	}
	if got := Evidence(r); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// An endpoint that stopped answering has a note, with what it was found to be then.
func TestWithdrawn(t *testing.T) {
	for _, tt := range []struct {
		end  probe.ConnEnd
		now  probe.State
		want string
	}{
		{probe.EndRefused, probe.Closed,
			"it stopped answering after the request http: the next connection was refused; it is closed now"},
		{probe.EndNotAccepted, probe.Open,
			"it stopped answering after the request http: the next connection was not accepted; probed once more, it is open"},
	} {
		w := probe.Withdrawal{After: "http", End: tt.end, State: probe.Open}
		r := Finding(probe.Result{State: tt.now, Details: probe.Details{Withdrawn: &w}}).(probe.Result)
		if !slices.Equal(r.Notes, []string{tt.want}) {
			t.Errorf("%q, want %q", r.Notes, tt.want)
		}
	}
}
