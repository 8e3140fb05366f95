package job

import (
	"onmux/probe"
	"onmux/report/record"
)

// takeUnresolved takes what has no address out of the endpoints, counts and emits it, and
// returns the rest.
func takeUnresolved(asked []probe.Result, end *record.End, emit func(record.Finding) error) ([]probe.Result, error) {
	var rest []probe.Result
	for _, r := range asked {
		if r.Addr.IsValid() {
			rest = append(rest, r)
			continue
		}
		end.Summary.Targets++
		end.Summary.States[r.State.String()]++
		if err := emit(r); err != nil {
			return nil, err
		}
	}
	return rest, nil
}
