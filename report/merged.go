package report

import (
	"cmp"

	"onmux/report/compare"
	"onmux/report/expect"
	"onmux/report/record"
)

// WriteMerged writes the report of all the shards of a scan to h, and holds it against
// expectations. Where h fails, the outcome is the same.
func WriteMerged(m *compare.Merged, expected []expect.Expectation, h record.Handler) Result {
	judge := expect.NewJudge(expected)
	violated := func(all []record.Violation) (err error) {
		for _, v := range all {
			err = cmp.Or(err, h.Violation(v))
		}
		return err
	}
	err := h.Start(m.Start)
	if err == nil {
		err = m.Write(func(f record.Finding) error {
			return cmp.Or(record.Write(h, f), violated(judge.Finding(f)))
		})
	}
	if err == nil {
		err = violated(judge.End(m.End))
	}
	m.End.Outcome = judge.Outcome()
	if err == nil {
		err = h.End(m.End)
	}
	return Result{Outcome: m.End.Outcome, End: m.End, WriteErr: err, Doubt: judge.Doubt()}
}
