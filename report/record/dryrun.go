package record

import (
	"time"

	"onmux/scan/forecast"
)

// DryRun is what a scan would do, and the document of it.
type DryRun struct {
	Type    string            `json:"type"`
	Schema  string            `json:"schema"`
	Command string            `json:"command"`
	Version string            `json:"version"`
	Method  map[string]string `json:"method"`
	Plan    *Plan             `json:"plan"`
	forecast.Forecast
	Resumes *Resumption `json:"resumes,omitempty"`
}

// Resumption is how far a scan came that would be resumed.
type Resumption struct {
	Saved    time.Time `json:"saved"`
	Probes   uint64    `json:"probes"`
	Complete bool      `json:"complete"`
}
