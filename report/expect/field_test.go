package expect_test

import (
	"strings"
	"testing"

	"onmux/probe"
	. "onmux/report/expect"
	. "onmux/report/record"
	. "onmux/report/reporttest"
)

func TestParseField(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ in, command, err string }{
		{"certificate=valid", "probe", ""}, {"certificate!=expired,self-signed", "scan", ""}, {"alpn=h2", "probe", ""},
		{"service=ssh", "probe", ""}, {"title=Welcome to nginx!", "probe", ""},
		{"certificate=ok", "probe", "not a value of certificate: valid"}, {"tls=1.4", "probe", "not a value of tls"},
		{"starttls=", "probe", "has no value"}, {"certificate=valid", "check", "is not a count"},
		{"colour=red", "probe", "is not a count"},
	} {
		_, err := Parse(test.in, test.command)
		if (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%q for %s: %v, want %q", test.in, test.command, err, test.err)
		}
	}
}

// What is expected of a service, on endpoints of each kind.
func TestFields(t *testing.T) {
	t.Parallel()
	at := func(state probe.State, s *probe.Service) probe.Result {
		return probe.Result{Endpoint: probe.Endpoint{Addr: Addr4, Port: 417, Proto: probe.TCP}, State: state,
			Details: probe.Details{Service: s}}
	}
	ssh := at(probe.Open, &probe.Service{Name: "ssh", Product: "OpenSSH", Banner: "SSH-2.0-OpenSSH"})
	closes := at(probe.Open, &probe.Service{Name: Unknown, Info: "closes without sending anything"})
	speaks := at(probe.Open, &probe.Service{Name: Unknown, Banner: "?"})
	closed, lost := at(probe.Closed, nil), at(probe.Unknown, nil)
	https := at(
		probe.Open,
		&probe.Service{Name: "https", Product: "Varnish", HTTP: &probe.HTTP{Status: 200, Title: "Shop"},
			Backend: &probe.Software{Product: "nginx"},
			TLS: &probe.TLS{Version: "1.2", ALPN: "http/1.1", ALPNs: []string{"h2", "http/1.1"}, SHA256: "0f",
				ClientCert: probe.Requested, Problems: []probe.CertProblem{probe.CertExpired, probe.CertWeakKey}}},
	)
	valid := at(probe.Open, &probe.Service{Name: "imaps", TLS: &probe.TLS{Version: "1.3", SHA256: "0f"}})
	mail := at(probe.Open, &probe.Service{Name: "smtp", StartTLS: &probe.StartTLS{Offered: true,
		TLS: &probe.TLS{Version: "1.3", SHA256: "0f"}}})
	plain := at(probe.Open, &probe.Service{Name: "smtp", StartTLS: &probe.StartTLS{}})
	alert := at(probe.Open, &probe.Service{Name: "tls", Alert: &probe.Alert{Code: 116, Name: "certificate_required",
		Needs: probe.NeedsCertificate}})
	for _, test := range []struct {
		expect, command string
		found           probe.Result
		want            Outcome
	}{
		{"service=ssh", "probe", ssh, Holds}, {"service=openssh", "probe", ssh, Holds}, {"service=any", "probe", ssh, Holds},
		{"service=http", "probe", ssh, Fails}, {"service=http,ssh", "probe", ssh, Holds},
		{"service=any", "probe", closes, Fails}, {"service=ssh", "probe", closes, Fails},
		{"service=any", "probe", speaks, Holds}, {"service=any", "probe", at(probe.Open, nil), Fails},
		{"service=any", "probe", closed, Fails}, {"service=any", "probe", lost, CannotTell},
		{"service=any", "scan", closed, Fails}, {"service!=telnet", "scan", closed, Holds},
		{"service!=telnet", "probe", ssh, Holds}, {"service=tls", "probe", https, Holds},
		{"product=nginx", "probe", https, Holds}, {"product=varnish", "probe", https, Holds},
		{"status=200", "probe", https, Holds}, {"title=shop", "probe", https, Holds}, {"status=200", "probe", ssh, Fails},
		{"certificate=valid", "probe", valid, Holds}, {"certificate=valid", "probe", https, Fails},
		{"certificate=valid", "probe", ssh, Fails}, {"certificate=expired", "probe", https, Holds},
		{"certificate!=self-signed", "probe", https, Holds}, {"certificate!=weak-key", "probe", https, Fails},
		{"certificate=valid", "probe", mail, Holds}, {"tls=1.2,1.3", "probe", https, Holds},
		{"tls=1.3", "probe", https, Fails},
		{"tls=none", "probe", ssh, Holds}, {"alpn=h2", "probe", https, Holds}, {"alpn!=h2", "probe", https, Fails},
		{"client-certificate=requested", "probe", https, Holds}, {"client-certificate=required", "probe", alert, Holds},
		{"client-certificate=none", "probe", valid, Holds}, {"starttls=offered", "probe", mail, Holds},
		{"starttls=offered", "probe", plain, Fails}, {"starttls=not-offered", "probe", plain, Holds},
		{"starttls=none", "probe", ssh, Holds},
	} {
		e, err := Parse(test.expect, test.command)
		if err != nil || !e.NeedsService() {
			t.Fatalf("%q: %v", test.expect, err)
		}
		j := NewJudge([]Expectation{e})
		violations := j.Finding(test.found)
		violations = append(violations, j.End(End{Complete: true})...)
		if got := j.Outcome(); got != test.want || (len(violations) == 1) != (test.want == Fails) {
			t.Errorf("%s of %+v: %v with %v, want %v", test.expect, test.found.Service, got, violations, test.want)
		}
	}
}
