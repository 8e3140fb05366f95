package ports

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"unicode"
)

const (
	maxLine  = 64 << 10 // bytes
	maxLists = 65536    // of one file
)

// Read reads lists of ports, one or more a line, as Parse takes them. # and ; start a
// comment; blank lines count for nothing. name is the input's, for errors, which also
// have the line.
func Read(name string, in io.Reader) (lists []string, err error) {
	s := bufio.NewScanner(in)
	s.Buffer(nil, maxLine)
	for n := 1; s.Scan(); n++ {
		line := strings.TrimPrefix(s.Text(), "\ufeff")
		if at := strings.IndexAny(line, "#;"); at >= 0 {
			line = line[:at]
		}
		line = strings.Join(strings.FieldsFunc(line, func(r rune) bool { return r == ',' || unicode.IsSpace(r) }), ",")
		if line == "" {
			continue
		}
		if _, err := Parse([]string{line}, nil); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, n, err)
		}
		if len(lists) == maxLists {
			return nil, fmt.Errorf("%s:%d: more than %d lines of ports", name, n, maxLists)
		}
		lists = append(lists, line)
	}
	if err := s.Err(); err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	if len(lists) == 0 {
		return nil, fmt.Errorf("%s has no ports", name)
	}
	return lists, nil
}
