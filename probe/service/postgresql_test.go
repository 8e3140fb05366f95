package service

import "testing"

// A pooler refuses every request for encryption, a server the second of a kind. Away from a
// pooler's port it is not sent.
func TestPostgreSQLOrPooler(t *testing.T) {
	refuses := answering("", map[string]string{"\x00\x00\x00\x08": "N"})
	for port, want := range map[uint16]string{5432: "", poolerPort: "PgBouncer"} {
		s, _ := simulate(t, port, refuses)
		if s.Name != "postgresql" || s.Product != want || (s.Front != nil) != (want != "") {
			t.Errorf("on %d: %+v", port, s)
		}
	}
}
