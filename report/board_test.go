package report_test

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	. "onmux/report"
)

// terminal is one of so many columns and rows, as far as a Board uses it: lines wrap, the cursor moves
// up, and what is right of it or below is erased.
type terminal struct {
	t             *testing.T
	columns, rows int
	lines         [][]rune // the last rows are on the screen
	row, column   int
	writes        int
}

func (s *terminal) size() (int, int) { return s.columns, s.rows }

func (s *terminal) Write(b []byte) (int, error) {
	s.writes++
	rest := []rune(string(b))
	for len(rest) > 0 {
		for len(s.lines) <= s.row {
			s.lines = append(s.lines, nil)
		}
		r := rest[0]
		rest = rest[1:]
		switch r {
		case '\r':
			s.column = 0
		case '\n':
			s.row, s.column = s.row+1, 0
		case '\x1b':
			end := slices.IndexFunc(rest, func(r rune) bool { return r >= '@' && r <= 'Z' })
			n, _ := strconv.Atoi(string(rest[1:end]))
			switch rest[end] {
			case 'A':
				if s.row -= n; s.row < max(0, len(s.lines)-s.rows) {
					s.t.Fatalf("the cursor leaves the screen: %q", b)
				}
			case 'K':
				s.lines[s.row] = s.lines[s.row][:min(s.column, len(s.lines[s.row]))]
			case 'J':
				s.lines[s.row] = s.lines[s.row][:min(s.column, len(s.lines[s.row]))]
				s.lines = s.lines[:s.row+1]
			default:
				s.t.Errorf("an escape: %q", b)
			}
			rest = rest[end+1:]
		default:
			if s.column == s.columns {
				s.row, s.column = s.row+1, 0
				s.lines = slices.Insert(s.lines, s.row, nil)
			}
			for len(s.lines[s.row]) <= s.column {
				s.lines[s.row] = append(s.lines[s.row], ' ')
			}
			s.lines[s.row][s.column] = r
			s.column++
		}
	}
	return len(b), nil
}

// narrow makes the terminal narrower: lines that are too long wrap.
func (s *terminal) narrow(columns int) {
	s.columns = columns
	for i := 0; i < len(s.lines); i++ {
		if line := s.lines[i]; len(line) > columns {
			s.lines[i] = line[:columns:columns]
			s.lines = slices.Insert(s.lines, i+1, slices.Clone(line[columns:]))
			if s.row >= i {
				s.row++
			}
		}
	}
	s.column = len(s.lines[s.row])
}

func (s *terminal) shows() string {
	var out []string
	for _, l := range s.lines {
		out = append(out, strings.TrimRight(string(l), " "))
	}
	return strings.Join(out, "\n")
}

func TestBoard(t *testing.T) {
	t.Setenv("LC_ALL", "C.UTF-8")
	synctest.Test(t, func(t *testing.T) {
		s := &terminal{t: t, columns: 20, rows: 24}
		b := BoardOn(s, s.size)
		expect := func(want string) {
			t.Helper()
			if got := s.shows(); got != want {
				t.Errorf("it shows\n%s\nwant\n%s", got, want)
			}
		}
		show := func(lines ...string) {
			t.Helper()
			if err := b.Show(lines); err != nil {
				t.Fatal(err)
			}
		}
		fmt.Fprintln(b, "before")
		expect("before")
		show("one of a few", "two", "three")
		expect("before\none of a few\ntwo\nthree")
		show("1", "two and much more than fits")
		expect("before\n1\ntwo and much more…")
		fmt.Fprintln(b, "waits")
		fmt.Fprintln(b, "for the next")
		if s.writes != 3 {
			t.Errorf("%d writes: what comes at once is not written at once", s.writes)
		}
		show("one", "two")
		expect("before\nwaits\nfor the next\none\ntwo")
		if s.writes != 4 {
			t.Errorf("%d writes", s.writes)
		}
		show("a line of nineteen..", "two")
		s.narrow(10)
		show("one", "two")
		expect("before\nwaits\nfor the ne\nxt\none\ntwo")
		fmt.Fprintln(b, "last")
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(b, "the report")
		expect("before\nwaits\nfor the ne\nxt\nlast\nthe report")
	})
}

// TestBoardIsBounded: it has half of the terminal, and none of a small one, or where nobody sees it.
func TestBoardIsBounded(t *testing.T) {
	for rows, want := range map[int]int{7: 0, 8: 4, 24: 12, 100: 16} {
		s := &terminal{t: t, columns: 80, rows: rows}
		b := BoardOn(s, s.size)
		if b.Rows() != want || b.Show(make([]string, 50)) != nil || len(s.lines) != want {
			t.Errorf("%d rows of %d, %d shown", b.Rows(), rows, len(s.lines))
		}
	}
	none := NewBoard(&strings.Builder{})
	if none.Rows() != 0 || none.Show([]string{"x"}) != nil || none.Close() != nil {
		t.Error("a board that nobody sees")
	}
	f, err := os.Create(t.TempDir() + "/out")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if NewBoard(f) != nil {
		t.Error("a board on a file")
	}
}
