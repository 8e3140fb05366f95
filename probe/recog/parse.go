package recog

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// Bounds of a file. Recog's largest has some 2,000 fingerprints in 1 MB.
const (
	maxFile    = 16 << 20 // bytes
	maxPrints  = 20_000
	maxPattern = 8 << 10 // bytes
	maxParams  = 64
)

// file is the usable part of a file.
type file struct {
	prints []fingerprint
	left   int // patterns that cannot be compiled
}

type fingerprint struct {
	pattern     *regexp.Regexp
	description string
	params      map[string]param
	examples    []example
}

// param is a fixed value, or what a group of the pattern matched.
type param struct {
	group int
	value string
}

// example is a text that the fingerprint must match, and the values that it must find.
type example struct {
	text string
	want map[string]string
}

// element is <fingerprint> in a file.
type element struct {
	Pattern     string `xml:"pattern,attr"`
	Flags       string `xml:"flags,attr"`
	Description string `xml:"description"`
	Params      []struct {
		Pos   int    `xml:"pos,attr"`
		Name  string `xml:"name,attr"`
		Value string `xml:"value,attr"`
	} `xml:"param"`
	Examples []struct {
		Attrs []xml.Attr `xml:",any,attr"`
		Text  string     `xml:",chardata"`
	} `xml:"example"`
}

// parse reads a file. What was read before an error comes with it.
func parse(r io.Reader) (*file, error) {
	limited := &io.LimitedReader{R: r, N: maxFile}
	d := xml.NewDecoder(limited)
	f := &file{}
	root := false
	for {
		t, err := d.Token()
		switch {
		case err == io.EOF && limited.N == 0:
			return f, fmt.Errorf("it is longer than %d MiB", maxFile>>20)
		case err == io.EOF && !root:
			return f, errors.New("it is not a file of fingerprints: there is no <fingerprints>")
		case err == io.EOF:
			return f, nil
		case err != nil:
			return f, err
		}
		start, ok := t.(xml.StartElement)
		switch {
		case !ok:
			continue
		case !root && start.Name.Local != "fingerprints":
			return f, fmt.Errorf("it is not a file of fingerprints: it begins with <%s>", clip(start.Name.Local))
		case !root:
			root = true
			continue
		case start.Name.Local != "fingerprint":
			if err := d.Skip(); err != nil {
				return f, err
			}
			continue
		case len(f.prints)+f.left == maxPrints:
			return f, fmt.Errorf("it has more than %d fingerprints", maxPrints)
		}
		var e element
		if err := d.DecodeElement(&e, &start); err != nil {
			return f, err
		}
		f.add(e)
	}
}

func clip(s string) string { return s[:min(len(s), 40)] }

func (f *file) add(e element) {
	p, err := compile(e.Pattern, e.Flags)
	if err != nil || len(e.Params) > maxParams {
		f.left++
		return
	}
	print := fingerprint{pattern: p, description: strings.Join(strings.Fields(e.Description), " "),
		params: make(map[string]param)}
	for _, v := range e.Params {
		if v.Pos < 0 || v.Pos > p.NumSubexp() {
			f.left++
			return
		}
		print.params[v.Name] = param{v.Pos, v.Value}
	}
	for _, x := range e.Examples {
		want := make(map[string]string)
		for _, a := range x.Attrs {
			want[a.Name.Local] = a.Value
		}
		print.examples = append(print.examples, example{x.Text, want})
	}
	f.prints = append(f.prints, print)
}

// compile translates a pattern from Ruby, in which ^ and $ are those of a line
// and \h is a digit in hexadecimal. What else differs is not compiled.
func compile(pattern, flags string) (*regexp.Regexp, error) {
	if len(pattern) > maxPattern {
		return nil, errors.New("it is too long")
	}
	modes := "(?m"
	for flag := range strings.SplitSeq(flags, ",") {
		switch strings.TrimSpace(flag) {
		case "REG_ICASE":
			modes += "i"
		case "REG_DOT_NEWLINE", "REG_MULTILINE":
			modes += "s"
		}
	}
	var b strings.Builder
	class := false
	for i := 0; i < len(pattern); i++ {
		c := pattern[i]
		switch {
		case c == '\\' && i+1 < len(pattern):
			i++
			switch pattern[i] {
			case 'h':
				if class {
					b.WriteString("0-9a-fA-F")
				} else {
					b.WriteString("[0-9a-fA-F]")
				}
			case 'Z':
				b.WriteString(`\z`)
			default:
				b.WriteByte('\\')
				b.WriteByte(pattern[i])
			}
			continue
		case c == '[':
			class = true
		case c == ']':
			class = false
		}
		b.WriteByte(c)
	}
	return regexp.Compile(modes + ")" + b.String())
}

// find returns the software of the first fingerprint that matches.
func (f *file) find(text string) (Software, bool) {
	for i := range f.prints {
		p := &f.prints[i]
		groups := p.pattern.FindStringSubmatch(text)
		if groups == nil {
			continue
		}
		s := Software{Description: p.description}
		// A device is known by what it runs, else by what it is, else by its system.
		for _, kind := range []string{"service", "service.component", "hw", "os"} {
			if s.Product = p.value(kind+".product", groups); s.Product != "" {
				s.Vendor, s.Version = p.value(kind+".vendor", groups), p.value(kind+".version", groups)
				break
			}
		}
		return s, true
	}
	return Software{}, false
}

// value is a param's; {name} in a fixed value is replaced by another param's.
func (p *fingerprint) value(name string, groups []string) string {
	v, ok := p.params[name]
	switch {
	case !ok:
		return ""
	case v.group > 0:
		return groups[v.group]
	case !strings.Contains(v.value, "{"):
		return v.value
	}
	var with []string
	for other, o := range p.params {
		switch {
		case o.group > 0:
			with = append(with, "{"+other+"}", groups[o.group])
		case !strings.Contains(o.value, "{"):
			with = append(with, "{"+other+"}", o.value)
		}
	}
	return strings.NewReplacer(with...).Replace(v.value)
}
