package document

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"onmux/probe"
	"onmux/probe/listen"
	"onmux/probe/local"
	"onmux/probe/ports"
	"onmux/report/record"
	"onmux/scan"
	"onmux/scan/wire"
)

// KindOf is the "type" of a record, or "" if it has none or is none.
func KindOf(raw []byte) string {
	var head struct {
		Type string `json:"type"`
	}
	if json.Unmarshal(raw, &head) != nil {
		return ""
	}
	return head.Type
}

// quickKind is KindOf without a look at the rest of the record, which may turn
// out to be none, where the type stands first as it does in our reports.
func quickKind(raw []byte) string {
	if rest, ours := bytes.CutPrefix(raw, []byte(`{"type":"`)); ours {
		if end := bytes.IndexAny(rest, "\"\\"); end > 0 && rest[end] == '"' {
			return string(rest[:end])
		}
	}
	return KindOf(raw)
}

// parseFinding reads one record and refuses what no report of ours has.
func parseFinding(kind string, raw []byte) (record.Finding, error) {
	switch kind {
	case probe.Result{}.Kind():
		return parse(raw, func(r probe.Result) error { return needProto(r.Proto) })
	case probe.Attempt{}.Kind():
		return parse(raw, func(a probe.Attempt) error { return needProto(a.Proto) })
	case scan.Range{}.Kind():
		return parse(raw, checkRange)
	case wire.Flow{}.Kind():
		return parse(raw, checkFlow)
	case local.Listener{}.Kind():
		return parse(raw, func(l local.Listener) error { return needProto(l.Proto) })
	case local.Event{}.Kind():
		return parse(raw, func(e local.Event) error {
			if !slices.Contains(local.EventKinds(), e.Event) {
				return fmt.Errorf("%q is not a kind of event", e.Event)
			}
			return needProto(e.Proto)
		})
	case listen.Arrival{}.Kind():
		return parse(raw, func(a listen.Arrival) error { return needProto(a.Proto) })
	case local.Verdict{}.Kind():
		return parse(raw, checkVerdict)
	case ports.Info{}.Kind():
		return parse(raw, checkPort)
	case record.Change{}.Kind():
		return parse(raw, checkChange)
	case record.Rule{}.Kind():
		return parse(raw, func(r record.Rule) error {
			if r.Outcome == 0 {
				return errors.New("a rule has no outcome")
			}
			return nil
		})
	case record.Violation{}.Kind():
		return parse(raw, func(record.Violation) error { return nil })
	case "":
		if !json.Valid(raw) {
			return nil, errNoJSON
		}
		return nil, errors.New("a record has no type")
	default:
		return nil, fmt.Errorf("records of type %q are not known to this version", kind)
	}
}

func parse[F record.Finding](raw []byte, check func(F) error) (record.Finding, error) {
	var f F
	if err := json.Unmarshal(raw, &f); err != nil && !json.Valid(raw) {
		return nil, errNoJSON
	} else if err != nil {
		return nil, err
	}
	return f, check(f)
}

func needProto(p probe.Proto) error {
	if !slices.Contains(probe.Protos(), p) {
		return errors.New("a record has no protocol")
	}
	return nil
}

func checkRange(r scan.Range) error {
	if !r.First.IsValid() || !r.Last.IsValid() || r.Last.Less(r.First) || r.Count == 0 {
		return fmt.Errorf("a range of %d addresses from %q to %q is none", r.Count, r.First, r.Last)
	}
	return needProto(r.Proto)
}

func checkFlow(f wire.Flow) error {
	if !f.Client.IsValid() || !f.Addr.IsValid() {
		return errors.New("a flow has no client or no endpoint")
	}
	return needProto(f.Proto)
}

func checkVerdict(v local.Verdict) error {
	if !slices.Contains(local.Words(), v.Verdict) {
		return fmt.Errorf("%q is not a verdict", v.Verdict)
	}
	return needProto(v.Proto)
}

func checkChange(c record.Change) error {
	if !slices.Contains(record.ChangeKinds(), c.What) {
		return fmt.Errorf("%q is not a kind of change", c.What)
	}
	return needProto(c.Proto)
}

func checkPort(p ports.Info) error {
	if p.Range != ports.RangeOf(p.Port) {
		return fmt.Errorf("port %d is not in the range %q", p.Port, p.Range)
	}
	for _, proto := range p.Protos {
		if err := needProto(proto); err != nil {
			return err
		}
	}
	for _, n := range p.Names {
		if err := needProto(n.Proto); err != nil {
			return err
		}
	}
	return nil
}
