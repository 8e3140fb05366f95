package phrase_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"onmux/report/phrase"
)

func TestVisible(t *testing.T) {
	for in, want := range map[string]string{
		"":                       "",
		"héllo 世界 😀 �":           "héllo 世界 😀 �",
		`C:\x1b`:                 `C:\x1b`,
		"a\x1b[31mb":             `a\x1b[31mb`,
		"\x00\a\t\r\n\x7f":       `\x00\a\t\r\n\x7f`,
		"\u009b31m":              `\u009b31m`,
		"\u202egnp.exe":          `\u202egnp.exe`,
		"\u200b\ufeff\u2028":     `\u200b\ufeff\u2028`,
		"\U000e0041\ue000":       `\U000e0041\ue000`,
		"\xff\xc3(\xe2\x80":      `\xff\xc3(\xe2\x80`,
		"\u00a0\u3000":           `\u00a0\u3000`,
		"e\u0301 ❤\ufe0f":        "e\u0301 ❤\ufe0f",
		"\xed\xa0\x80 surrogate": `\xed\xa0\x80 surrogate`,
	} {
		if got := phrase.Visible(in); got != want {
			t.Errorf("Visible(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzVisible(f *testing.F) {
	f.Add("a\x1b[31m\x00\x07\r\n\t\x7f\u009b31m\u202e\u200b\ufeff\u2028\U000e0041\ue000\"\\<é世😀")
	f.Add("clean")
	f.Add("\xff\xfe\xc3")
	f.Fuzz(func(t *testing.T, in string) {
		clean := utf8.ValidString(in) && !strings.ContainsFunc(in, func(r rune) bool { return !unicode.IsPrint(r) })
		out := phrase.Visible(in)
		if !utf8.ValidString(out) {
			t.Errorf("%q became %q, which is no UTF-8", in, out)
		}
		if i := strings.IndexFunc(out, func(r rune) bool { return !unicode.IsPrint(r) }); i >= 0 {
			t.Errorf("%q became %q: hidden at %d", in, out, i)
		}
		if clean != (in == out) {
			t.Errorf("%q is clean: %t, and became %q", in, clean, out)
		}
		if phrase.Visible(out) != out {
			t.Errorf("%q changes when made visible again", out)
		}
	})
}
