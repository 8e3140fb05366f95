package document_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"onmux/probe"
	"onmux/probe/local"
	"onmux/probe/local/owner"
	"onmux/probe/local/socket"
	"onmux/probe/ports"
	"onmux/probe/traffic"
	"onmux/report/document"
	. "onmux/report/record"
	. "onmux/report/reporttest"
	"onmux/report/schematest"
	"onmux/scan"
	"onmux/scan/wire"
)

func TestDocumentsAreValid(t *testing.T) {
	for name, s := range map[string]Stream{"sample": Sample(), "empty": Empty()} {
		for _, format := range []string{"json", "jsonl"} {
			if err := schematest.Validate(format, bytes.NewReader(s.Write(t, format))); err != nil {
				t.Errorf("%s as %s: %v", name, format, err)
			}
		}
	}
}

func TestWrongDocumentsAreNot(t *testing.T) {
	t.Parallel()
	tests := map[string][2]string{
		"a field too many":            {`"tries":2`, `"tries":2,"tried":2`},
		"a field too many inside":     {`"product"`, `"products"`},
		"a state that does not exist": {`"state":"open",`, `"state":"ajar",`},
		"a reason":                    {`"syn-ack"`, `"synack"`},
		"a verdict":                   {`"free"`, `"idle"`},
		"a type":                      {`"type":"range"`, `"type":"ranges"`},
		"no type":                     {`"type":"range",`, ``},
		"a family":                    {`"dual"`, `"both"`},
		"a reach":                     {`"reach":"any"`, `"reach":"all"`},
		"a confidence":                {`"high"`, `"sure"`},
		"a protocol":                  {`"proto":"tcp"`, `"proto":"sctp"`},
		"a port":                      {`"port":417`, `"port":65536`},
		"a time":                      {`"finished":"2026`, `"finished":"26`},
		"a time that is not UTC":      {`789Z"`, `789+01:00"`},
		"unknown without error":       {`,"error":"no route to host"`, ``},
		"a count of none":             {`"count":2`, `"count":0`},
		"no coverage":                 {`"coverage":["everything"],`, ``},
		"null":                        {`["everything"]`, `null`},
		"raw that is not base64":      {`"raw":"U`, `"raw":"*`},
		"another schema":              {`onmux/1`, `onmux/2`},
		"a range of ports":            {`"range":"system"`, `"range":"low"`},
		"a fact without a source":     {`,"source":"RFC 1700"`, ``},
		"no protocols":                {`"protos":["udp"],`, ``},
		"ephemeral in no range":       {`"ephemeral_range":{"first":32768,"last":60999},`, ``},
	}
	for _, format := range []string{"json", "jsonl"} {
		good := string(Sample().Write(t, format))
		for name, change := range tests {
			bad := strings.Replace(good, change[0], change[1], 1)
			if bad == good {
				t.Fatalf("%s: %q is not in %s", name, change[0], good)
			}
			if schematest.Validate(format, strings.NewReader(bad)) == nil {
				t.Errorf("%s in %s passes", name, format)
			}
		}
	}
}

func TestOrderOfLines(t *testing.T) {
	lines := strings.SplitAfter(string(Sample().Write(t, "jsonl")), "\n")
	lines = lines[:len(lines)-1]
	n := len(lines)
	for name, bad := range map[string][]string{
		"no start":                {},
		"start missing":           lines[1:],
		"summary missing":         lines[:n-1],
		"two starts":              append([]string{lines[0]}, lines...),
		"something after the end": append(slices.Clone(lines), lines[1]),
		"torn":                    append(slices.Clone(lines[:n-1]), strings.TrimSuffix(lines[n-1], "\n")),
	} {
		if schematest.Validate("jsonl", strings.NewReader(strings.Join(bad, ""))) == nil {
			t.Errorf("%s: passes", name)
		}
	}
}

// TestSchemaHasEveryField holds the schema's properties against the structs'
// fields, and what it requires against those that are never left out.
func TestSchemaHasEveryField(t *testing.T) {
	var schema struct {
		object
		Defs map[string]object `json:"$defs"`
	}
	if err := json.Unmarshal(document.SchemaJSON(), &schema); err != nil {
		t.Fatal(err)
	}
	records := map[string]any{"endpoint": probe.Result{}, "attempt": probe.Attempt{}, "range": scan.Range{},
		"listener": local.Listener{}, "flow": wire.Flow{},
		"verdict": local.Verdict{}, "about": ports.Info{}, "change": Change{}, "rule": Rule{},
		"violation": Violation{}, "start": Start{}, "end": End{}}
	parts := map[string]any{"service": probe.Service{}, "tls": probe.TLS{}, "icmp": probe.ICMP{},
		"attempts": probe.Attempts{}, "hop": probe.Hop{}, "openness": probe.Openness{}, "lookup": probe.Lookup{},
		"route": probe.Route{}, "handshake": probe.Handshake{}, "backlog": socket.Backlog{}, "buffer": socket.Buffer{},
		"plan":  Plan{},
		"owner": owner.Owner{}, "process": owner.Process{}, "candidate": owner.Candidate{}, "summary": scan.Summary{},
		"name": ports.Name{}, "services": ports.Services{},
		"traffic": traffic.Totals{}, "volume": traffic.Volume{}, "serviceLine": ports.Service{}, "span": ports.Span{},
		"fact": ports.Fact{}}
	for name, v := range records {
		all := fields(reflect.TypeOf(v))
		if name == "violation" {
			all["after"] = false // of a json document alone
		}
		if _, has := all["time"]; !has {
			all["time"] = false // with --stamp
		}
		all["run"] = false
		compare(t, name, schema.Defs[name], all, "type")
	}
	for name, v := range parts {
		compare(t, name, schema.Defs[name], fields(reflect.TypeOf(v)))
	}
	all := fields(reflect.TypeFor[Start]())
	maps.Copy(all, fields(reflect.TypeFor[End]()))
	compare(t, "document", schema.object, all, "findings", "violations")
}

type object struct {
	Required   []string
	Properties map[string]any
}

func compare(t *testing.T, name string, o object, fields map[string]bool, more ...string) {
	t.Helper()
	for _, m := range more {
		fields[m] = true
	}
	if got, want := slices.Sorted(maps.Keys(o.Properties)), slices.Sorted(maps.Keys(fields)); !slices.Equal(got, want) {
		t.Errorf("%s: the schema has %q, the struct %q", name, got, want)
	}
	var want []string
	for _, f := range slices.Sorted(maps.Keys(fields)) {
		if fields[f] {
			want = append(want, f)
		}
	}
	if got := slices.Sorted(slices.Values(o.Required)); !slices.Equal(got, want) {
		t.Errorf("%s: the schema requires %q, the struct always has %q", name, got, want)
	}
}

// fields are the names that a struct has in JSON, and whether they are always
// there.
func fields(t reflect.Type) map[string]bool {
	out := make(map[string]bool)
	for i := range t.NumField() {
		f := t.Field(i)
		name, option, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && name == "":
			maps.Copy(out, fields(f.Type))
		case name == "":
			out[f.Name] = true // encoding/json takes the Go name; the schema has none such
		case name != "-":
			out[name] = option == ""
		}
	}
	return out
}

// TestSchemaHasEveryWord holds the schema's words against the programs'.
func TestSchemaHasEveryWord(t *testing.T) {
	var schema struct {
		Defs map[string]struct{ Enum []string } `json:"$defs"`
	}
	if err := json.Unmarshal(document.SchemaJSON(), &schema); err != nil {
		t.Fatal(err)
	}
	var states, reasons, words []string
	for _, s := range probe.States() {
		states = append(states, s.String())
	}
	for r := probe.NoReason + 1; r.String() != "invalid"; r++ {
		reasons = append(reasons, r.String())
	}
	for _, w := range local.Words() {
		words = append(words, string(w))
	}
	var ranges []string
	for _, r := range ports.Ranges() {
		ranges = append(ranges, string(r))
	}
	for name, want := range map[string][]string{"state": states, "reason": reasons, "word": words, "rangeName": ranges,
		"confidence": {string(probe.High), string(probe.Medium), string(probe.Low)}} {
		if got := schema.Defs[name].Enum; !slices.Equal(got, want) {
			t.Errorf("%s: the schema has %q, the program %q", name, got, want)
		}
	}
}
