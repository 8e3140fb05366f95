package probe

// Lookup is the result of resolving a name.
type Lookup struct {
	Time  Millis `json:"time_ms"`         // until all its addresses were known
	CNAME string `json:"cname,omitempty"` // the canonical name, without the last dot, if it is another
}
