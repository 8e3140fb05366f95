package expect

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"onmux/probe"
	"onmux/probe/wording"
	"onmux/report/phrase"
	"onmux/report/record"
)

// AnyService is what --service and "service=" take for whatever answers: an endpoint that
// only accepts connections does not.
const AnyService = "any"

// none is the value of a field that an endpoint does not have.
const none = "none"

// field is what must be true of the service on an endpoint: one of its values, or none of
// them, is among those that are listed.
type field struct {
	name   string
	values []string // in lower case
	not    bool
	scan   bool // only open endpoints are judged, and at least one must be open
}

// fieldNames are the fields that an expectation may name.
var fieldNames = []string{"service", "product", "version", "status", "title", "tls", "alpn", "certificate",
	"client-certificate", "starttls"}

// OfService makes an expectation of an endpoint's service, which must be one of the names;
// the command decides whether that is so of each endpoint or of each that is open. Names
// that are not known can never hold.
func OfService(names, known []string, command string) (Expectation, error) {
	f := &field{name: "service", scan: command == "scan"}
	known = append(slices.Clip(known), AnyService)
	for _, n := range names {
		name := strings.ToLower(strings.TrimSpace(n))
		if !slices.Contains(known, name) {
			return Expectation{}, fmt.Errorf("no such service: %s%s", n, wording.DidYouMean(n, known))
		}
		f.values = append(f.values, name)
	}
	return Expectation{text: "service=" + strings.Join(f.values, ","), field: f}, nil
}

// parseField reads "certificate=valid", "alpn!=h2" and the like; ok is false where the text
// names no field.
func parseField(text, command string) (e Expectation, ok bool, err error) {
	name, values, found := strings.Cut(text, "=")
	not := strings.HasSuffix(name, "!")
	name = strings.ToLower(strings.TrimSpace(strings.TrimSuffix(name, "!")))
	if !found || !slices.Contains([]string{"probe", "scan", "watch"}, command) || !slices.Contains(fieldNames, name) {
		return e, false, nil
	}
	f := &field{name: name, not: not, scan: command != "probe"}
	for v := range strings.SplitSeq(strings.TrimPrefix(values, "="), ",") {
		if v = strings.ToLower(strings.TrimSpace(v)); v == "" {
			return e, true, fmt.Errorf("%q has no value", text)
		}
		f.values = append(f.values, v)
	}
	if known := knownValues(name); known != nil {
		for _, v := range f.values {
			if !slices.Contains(known, v) {
				return e, true, fmt.Errorf("%q is not a value of %s: %s%s", v, name, strings.Join(known, ", "),
					wording.DidYouMean(v, known))
			}
		}
	}
	return Expectation{text: text, field: f}, true, nil
}

// knownValues are all values of a field, nil where they cannot be listed.
func knownValues(name string) []string {
	switch name {
	case "certificate":
		all := []string{"valid", none}
		for _, p := range probe.CertProblems() {
			all = append(all, string(p))
		}
		return all
	case "client-certificate":
		return []string{probe.Required, probe.Requested, none}
	case "starttls":
		return []string{"offered", "required", "not-offered", none}
	case "tls":
		return []string{"1.0", "1.1", "1.2", "1.3", none}
	}
	return nil
}

// valuesOf are the values that an endpoint has of a field, as they are written in reports.
func (f *field) valuesOf(s *probe.Service) []string {
	if s == nil {
		return nil
	}
	tls := cmp.Or(s.TLS, startedTLS(s), &probe.TLS{})
	var values []string
	switch f.name {
	case "service":
		values = []string{s.Name, s.Product}
		if s.TLS != nil || s.Alert != nil {
			values = append(values, "tls")
		}
		if s.Name != record.Unknown || s.Banner != "" || len(s.Raw) > 0 {
			values = append(values, AnyService)
		}
	case "product":
		values = []string{s.Product}
		for _, other := range []*probe.Software{s.Front, s.Backend} {
			if other != nil {
				values = append(values, other.Product)
			}
		}
	case "version":
		values = []string{s.Version}
	case "status":
		if s.HTTP != nil {
			values = []string{fmt.Sprint(s.HTTP.Status)}
		}
	case "title":
		if s.HTTP != nil {
			values = []string{s.HTTP.Title}
		}
	case "tls":
		values = []string{tls.Version}
	case "alpn":
		values = append(slices.Clone(tls.ALPNs), tls.ALPN)
	case "certificate":
		for _, p := range tls.Problems {
			values = append(values, string(p))
		}
		if len(values) == 0 && tls.SHA256 != "" {
			values = []string{"valid"}
		}
	case "client-certificate":
		values = []string{tls.ClientCert}
		if s.Alert != nil && s.Alert.Needs == probe.NeedsCertificate {
			values = []string{probe.Required}
		}
	case "starttls":
		values = startTLSValues(s.StartTLS)
	}
	return slices.DeleteFunc(values, func(v string) bool { return v == "" })
}

// startedTLS is what a change to TLS led to.
func startedTLS(s *probe.Service) *probe.TLS {
	if s.StartTLS == nil {
		return nil
	}
	return s.StartTLS.TLS
}

func startTLSValues(s *probe.StartTLS) []string {
	switch {
	case s == nil:
		return nil
	case s.Required:
		return []string{"required", "offered"}
	case s.Offered:
		return []string{"offered"}
	}
	return []string{"not-offered"}
}

// judge holds an endpoint against the expectation.
func (f *field) judge(r probe.Result) (v record.Violation, violated bool, doubt string) {
	if r.State == probe.Unknown {
		return v, false, phrase.Unmeasured(record.Subject{What: record.Place(r), Error: r.Error})
	}
	v = record.Violation{What: record.Place(r), Address: record.AddressOf(r), Port: r.Port, Proto: r.Proto.String()}
	if r.State != probe.Open {
		v.Expected, v.Actual = probe.Open.String(), r.State.String()
		return v, !f.scan, ""
	}
	actual := f.valuesOf(r.Service)
	if len(actual) == 0 {
		actual = []string{none}
	}
	has := slices.ContainsFunc(actual, func(a string) bool { return slices.Contains(f.values, strings.ToLower(a)) })
	what := f.name
	if f.name == "tls" {
		what = "TLS version"
	}
	v.What, v.Expected = "the "+what+" of "+v.What, strings.Join(f.values, " or ")
	if f.not {
		v.Expected = "not " + v.Expected
	}
	v.Actual = f.actual(r.Service, actual)
	return v, has == f.not, ""
}

// actual is what an endpoint has instead of what is expected.
func (f *field) actual(s *probe.Service, values []string) string {
	switch {
	case f.name != "service":
		return strings.Join(values, ", ")
	case s == nil || s.Name == record.Unknown && s.Banner == "" && len(s.Raw) == 0:
		return "none: nothing answers on the connection"
	}
	return s.Name
}

// fields judges an endpoint by what is expected of its service.
func (g *judging) fields(r probe.Result) {
	for i, e := range g.judge.expect {
		if e.field == nil {
			continue
		}
		v, violated, doubt := e.field.judge(r)
		g.judge.doubts(doubt)
		if violated {
			g.found = append(g.found, v)
		} else if r.State == probe.Open {
			g.judge.zone(r.Zone).met[i] = true
		}
	}
}

// unmet is the violation of an expectation of a scan's open endpoints where none is open,
// or of a field that none has.
func (j *Judge) unmet(i int, z *zoneCounts) (v record.Violation, ok bool) {
	f := j.expect[i].field
	if f == nil || !f.scan || f.not || z.met[i] || j.failed {
		return v, false
	}
	return record.Violation{What: "count" + record.From(z.zone), Zone: z.zone,
		Expected: j.expect[i].text + " on an open endpoint at least", Actual: "none"}, true
}
