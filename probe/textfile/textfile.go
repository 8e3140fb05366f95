package textfile

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	utf16 "golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// Max is how many bytes a line may have.
const Max = 64 << 10

// Decode returns the text of in as UTF-8 without a byte order mark. Text is UTF-16 if a
// byte order mark says so or if one of its first two bytes is 0, as in ASCII.
func Decode(in io.Reader) io.Reader {
	r := bufio.NewReaderSize(in, 32<<10)
	start, _ := r.Peek(3) // an error is returned by Read, too
	order, policy := utf16.BigEndian, utf16.IgnoreBOM
	switch {
	case bytes.HasPrefix(start, []byte("\xef\xbb\xbf")):
		_, _ = r.Discard(3)
		return r
	case bytes.HasPrefix(start, []byte("\xff\xfe")), bytes.HasPrefix(start, []byte("\xfe\xff")):
		policy = utf16.ExpectBOM
	case len(start) >= 2 && start[0] == 0 && start[1] != 0:
	case len(start) >= 2 && start[0] != 0 && start[1] == 0:
		order = utf16.LittleEndian
	default:
		return r
	}
	return transform.NewReader(r, utf16.UTF16(order, policy).NewDecoder())
}

// Each calls each with the words of every line that has any. Words are separated by
// blanks; # and ; begin a comment. Lines end in LF, CR LF or CR. name is the input's.
// Errors, those of each too, begin with it and the line.
func Each(name string, in io.Reader, each func(words []string) error) error {
	s := bufio.NewScanner(Decode(in))
	s.Buffer(make([]byte, 0, 4096), Max)
	s.Split(split)
	n := 0
	var words []string
	for s.Scan() {
		n++
		line := s.Bytes()
		if at := bytes.IndexAny(line, "#;"); at >= 0 {
			line = line[:at]
		}
		words = words[:0]
		for word := range strings.FieldsFuncSeq(string(line), isBlank) {
			words = append(words, word)
		}
		if len(words) == 0 {
			continue
		}
		if err := each(words); err != nil {
			return fmt.Errorf("%s:%d: %w", Plain(name), n, err)
		}
	}
	err := s.Err()
	if errors.Is(err, bufio.ErrTooLong) {
		return fmt.Errorf("%s:%d: the line is longer than %d bytes: break it", Plain(name), n+1, Max)
	}
	if failed, ok := errors.AsType[*fs.PathError](err); ok {
		err = failed.Err
	}
	if err != nil {
		return fmt.Errorf("reading %s: %w", Plain(name), err)
	}
	return nil
}

// isBlank reports whether a character separates words: all white space, and the marks
// without a width that pages and documents put between words.
func isBlank(r rune) bool {
	return unicode.IsSpace(r) || r == '\u200b' || r == '\u2060' || r == '\ufeff'
}

// split is a bufio.SplitFunc of lines that end in LF, CR LF or CR.
func split(data []byte, atEOF bool) (advance int, token []byte, err error) {
	end := bytes.IndexAny(data, "\r\n")
	switch {
	case end < 0 && atEOF && len(data) > 0:
		return len(data), data, nil
	case end < 0:
		return 0, nil, nil
	case data[end] == '\n' || end+1 < len(data) && data[end+1] != '\n' || end+1 == len(data) && atEOF:
		return end + 1, data[:end], nil
	case end+1 == len(data):
		return 0, nil, nil // whether LF follows is not known yet
	}
	return end + 2, data[:end], nil
}

// Plain is a file's name, quoted only where a line could not hold it as it is.
func Plain(name string) string {
	const most = 200
	switch {
	case len(name) > most:
		return strconv.Quote(name[:most]) + "…"
	case name == "" || !utf8.ValidString(name),
		strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }):
		return strconv.Quote(name)
	}
	return name
}
