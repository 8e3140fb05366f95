package html

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/netip"
)

// columns are rows as a page carries them: a list for each field, in which a text stands
// once for the rows that share it, as JSON, compressed (RFC 1951) and in base64.
type columns struct {
	N       int       `json:"n"`
	Place   []string  `json:"p"` // "" where address and port have it
	Word    shared    `json:"w"`
	Reason  shared    `json:"r"`
	Name    shared    `json:"k"`
	Text    shared    `json:"s"`
	Details shared    `json:"d"` // lines
	Port    shared    `json:"o"`
	Zone    shared    `json:"z"`
	RTT     []float64 `json:"t"`
	First   []any     `json:"a"` // IPv4: the difference to the one before; IPv6: in hexadecimal; 0 is none
	Last    []any     `json:"b"` // IPv4: the difference to First; IPv6: in hexadecimal; 0 is none
	Count   []uint64  `json:"c"`

	before int64 // the IPv4 address of the row before
}

// shared is a column of texts, and which of them each row has.
type shared struct {
	Texts []string `json:"v"`
	Of    []int    `json:"i"`
	known map[string]int
}

func (s *shared) add(text string) {
	i, known := s.known[text]
	if !known {
		if s.known == nil {
			s.known = make(map[string]int)
		}
		i = len(s.Texts)
		s.known[text] = i
		s.Texts = append(s.Texts, text)
	}
	s.Of = append(s.Of, i)
}

func (c *columns) add(r *row) {
	c.N++
	place := r.Place
	if r.First.Is4() && !r.Last.IsValid() && place == r.First.String()+":"+r.Port {
		place = ""
	}
	c.Place = append(c.Place, place)
	c.Word.add(r.Word)
	c.Reason.add(r.Reason)
	c.Name.add(r.Name)
	c.Text.add(r.Text)
	c.Port.add(r.Port)
	c.Zone.add(r.Zone)
	c.RTT = append(c.RTT, r.RTT)
	c.Count = append(c.Count, r.Count)
	var details bytes.Buffer
	for i, d := range r.Details {
		if i > 0 {
			details.WriteByte('\n') // which no visible text has
		}
		details.WriteString(d)
	}
	c.Details.add(details.String())
	var first, last any = 0, 0
	switch {
	case r.First.Is4():
		n := number(r.First)
		first = n - c.before
		c.before = n
		if first == int64(0) { // the same address once more
			first = "="
		}
		if r.Last.Is4() {
			last = number(r.Last) - n
		}
	case r.First.Is6():
		first = hexAddr(r.First)
		if r.Last.Is6() {
			last = hexAddr(r.Last)
		}
	}
	c.First, c.Last = append(c.First, first), append(c.Last, last)
}

// encode writes the columns into an element of a page.
func (c *columns) encode(b *bytes.Buffer) error {
	to := base64.NewEncoder(base64.StdEncoding, b)
	w, err := flate.NewWriter(to, flate.DefaultCompression)
	if err != nil {
		return err
	}
	if err := json.NewEncoder(w).Encode(c); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return to.Close()
}

// number is an IPv4 address as one.
func number(a netip.Addr) int64 {
	b := a.As4()
	return int64(b[0])<<24 | int64(b[1])<<16 | int64(b[2])<<8 | int64(b[3])
}

func hexAddr(a netip.Addr) string {
	b := a.As16()
	return hex.EncodeToString(b[:])
}
