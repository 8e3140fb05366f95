package ports

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// Services is what this machine's own table has on a port.
type Services struct {
	File  string    `json:"file"`
	Lines []Service `json:"lines,omitempty"`
	Error string    `json:"error,omitempty"` // why the file, or some of it, could not be read
}

// Service is one line of services(5).
type Service struct {
	Line    int      `json:"line"` // from 1
	Name    string   `json:"name"`
	Port    uint16   `json:"-"`
	Proto   string   `json:"proto"` // as in the file; sctp and others too
	Aliases []string `json:"aliases,omitempty"`
	Comment string   `json:"comment,omitempty"`
}

// Bounds of what is read of a services file, and of what is reported of it.
const (
	maxServices     = 8 << 20 // bytes; nmap's table has 1 MB
	maxServiceLine  = 4 << 10
	maxServiceLines = 64 // lines for one port
)

// parseServices reads services(5): a line is a name, port/protocol and aliases,
// then a comment. Other lines are skipped, as the C library does.
// With an error it returns what it read before.
func parseServices(r io.Reader) ([]Service, error) {
	var all []Service
	lines := bufio.NewScanner(io.LimitReader(r, maxServices+1))
	lines.Buffer(nil, maxServiceLine)
	read := 0
	for n := 1; lines.Scan(); n++ {
		if s, ok := parseService(lines.Text()); ok {
			s.Line = n
			all = append(all, s)
		}
		if read += len(lines.Bytes()) + 1; read > maxServices {
			return all, fmt.Errorf("it is longer than %d bytes", maxServices)
		}
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		return all, fmt.Errorf("a line is longer than %d bytes", maxServiceLine)
	}
	return all, lines.Err()
}

func parseService(line string) (Service, bool) {
	rule, comment, _ := strings.Cut(line, "#")
	fields := strings.Fields(rule)
	if len(fields) < 2 {
		return Service{}, false
	}
	number, proto, ok := strings.Cut(fields[1], "/")
	if !ok { // the C library takes "80,tcp" as well
		number, proto, _ = strings.Cut(fields[1], ",")
	}
	n, err := strconv.ParseUint(number, 10, 16)
	if err != nil || proto == "" {
		return Service{}, false
	}
	return Service{Name: fields[0], Port: uint16(n), Proto: proto,
		Aliases: slices.Clone(fields[2:]), Comment: strings.TrimSpace(comment)}, true
}
