package ports

import (
	"fmt"
	"io"
	"strings"

	"onmux/probe/textfile"
)

const maxLists = 65536 // of one file

// Read reads lists of ports, one or more a line of a text file (textfile.Each), as Parse
// takes them. name is the input's, for errors, which also have the line.
func Read(name string, in io.Reader) (lists []string, err error) {
	err = textfile.Each(name, in, func(words []string) error {
		items := strings.FieldsFunc(strings.Join(words, ","), func(r rune) bool { return r == ',' })
		if len(items) == 0 {
			return nil
		}
		list := strings.Join(items, ",")
		if _, err := Parse([]string{list}, nil); err != nil {
			return err
		}
		if len(lists) == maxLists {
			return fmt.Errorf("more than %d lines of ports", maxLists)
		}
		lists = append(lists, list)
		return nil
	})
	if err == nil && len(lists) == 0 {
		err = fmt.Errorf("%s has no ports", textfile.Plain(name))
	}
	return lists, err
}
