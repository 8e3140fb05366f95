package textfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"testing"
	"testing/iotest"

	utf16 "golang.org/x/text/encoding/unicode"
)

// read is what Each passes on, with | between lines.
func read(in io.Reader) (string, error) {
	var out []string
	err := Each("list", in, func(words []string) error {
		out = append(out, strings.Join(words, ","))
		if words[0] == "bad" {
			return errors.New("this is bad")
		}
		return nil
	})
	return strings.Join(out, "|"), err
}

func TestEach(t *testing.T) {
	for text, want := range map[string]string{
		"":                             "",
		"a b\tc\nd":                    "a,b,c|d",
		"a\r\nb\rc\n\n\r\rd\r":         "a|b|c|d",
		"# all\na # b\n; c\nd;e":       "a|d",
		"a\u00a0b\u2003\u200bc\ufeff":  "a,b,c",
		"\ufeffa":                      "a",
		"caf\u00e9 \u65e5\u672c\ua9cf": "café,日本\ua9cf",
	} {
		for encoding, encoded := range inEncodings(t, text) {
			for _, r := range []io.Reader{strings.NewReader(encoded), iotest.OneByteReader(strings.NewReader(encoded))} {
				if got, err := read(r); got != want || err != nil {
					t.Errorf("%q in %s: %q, %v; want %q", text, encoding, got, err, want)
				}
			}
		}
	}
}

// inEncodings encodes text in every encoding that is recognized.
func inEncodings(t *testing.T, text string) map[string]string {
	all := map[string]string{"UTF-8": text}
	for _, order := range []utf16.Endianness{utf16.BigEndian, utf16.LittleEndian} {
		for _, policy := range []utf16.BOMPolicy{utf16.UseBOM, utf16.IgnoreBOM} {
			if policy == utf16.IgnoreBOM && (text == "" || text[0] >= 0x80) {
				continue // there is nothing to recognize it by
			}
			encoded, err := utf16.UTF16(order, policy).NewEncoder().String(text)
			if err != nil {
				t.Fatal(err)
			}
			all[fmt.Sprint("UTF-16 ", order, policy)] = encoded
		}
	}
	return all
}

func TestErrorsNameLines(t *testing.T) {
	broken := errors.New("broken")
	for _, tt := range []struct {
		in   io.Reader
		want string
	}{
		{strings.NewReader("a\r\n# b\r\nbad\r\nc"), "list:3: this is bad"},
		{strings.NewReader("\xff\xfea\x00\r\x00\n\x00b\x00a\x00d\x00"), "list:2: this is bad"},
		{strings.NewReader("a\n" + strings.Repeat("x", Max)), "list:2: the line is longer than 65536 bytes: break it"},
		{iotest.ErrReader(broken), "reading list: broken"},
		{iotest.ErrReader(&fs.PathError{Op: "read", Path: "/tmp/list", Err: broken}), "reading list: broken"},
	} {
		if _, err := read(tt.in); err == nil || err.Error() != tt.want {
			t.Errorf("%v, want %s", err, tt.want)
		}
	}
}

func FuzzEach(f *testing.F) {
	f.Add("a b\r\n# c\n\xff\xfed")
	f.Add("\x00a\x00\n\xd8\x00")
	f.Fuzz(func(t *testing.T, text string) {
		_ = Each("list", strings.NewReader(text), func(words []string) error {
			for _, w := range words {
				if w == "" || strings.ContainsAny(w, " \t\r\n#;\u00a0") {
					t.Errorf("%q: %q is no word", text, w)
				}
			}
			return nil
		})
	})
}
