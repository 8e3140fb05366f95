package reading

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"golang.org/x/text/transform"

	"onmux/probe/textfile"
)

// Plain is the text of a file in UTF-8 without a byte order mark, whatever it is compressed
// or encoded with: gzip, bzip2, UTF-16.
func Plain(r io.Reader) (*bufio.Reader, error) {
	for range 3 { // compressed more than once is a mistake that there is
		br := bufio.NewReaderSize(r, 64<<10)
		head, _ := br.Peek(8)
		is := func(magic string) bool { return bytes.HasPrefix(head, []byte(magic)) }
		switch {
		case is("\x1f\x8b"):
			z, err := gzip.NewReader(br)
			if err != nil {
				return nil, fmt.Errorf("this is not gzip, though it begins as that does: %w", err)
			}
			r = z
			continue
		case is("BZh"):
			r = bzip2.NewReader(br)
			continue
		case is("\xfd7zXZ\x00"):
			return nil, errors.New("this is compressed with xz: xz -dc FILE | onmux report -")
		case is("\x28\xb5\x2f\xfd"):
			return nil, errors.New("this is compressed with zstd: zstd -dc FILE | onmux report -")
		case is("PK\x03\x04"):
			return nil, errors.New("this is a zip archive: unzip -p FILE | onmux report -")
		}
		return bufio.NewReaderSize(textfile.Decode(br), 64<<10), nil
	}
	return nil, errors.New("this is compressed more than three times")
}

// Latin1 reads bytes that are not UTF-8 as ISO-8859-1, as old programs write names. What
// declares its encoding, as XML does, must not be read so.
func Latin1(r io.Reader) io.Reader { return transform.NewReader(r, latin1{}) }

type latin1 struct{ transform.NopResetter }

func (latin1) Transform(dst, src []byte, atEOF bool) (nDst, nSrc int, err error) {
	for nSrc < len(src) {
		r, n := utf8.DecodeRune(src[nSrc:])
		if r == utf8.RuneError && n == 1 {
			if !atEOF && !utf8.FullRune(src[nSrc:]) {
				return nDst, nSrc, transform.ErrShortSrc
			}
			r = rune(src[nSrc])
		}
		if nDst+utf8.RuneLen(r) > len(dst) {
			return nDst, nSrc, transform.ErrShortDst
		}
		nDst += utf8.EncodeRune(dst[nDst:], r)
		nSrc += n
	}
	return nDst, nSrc, nil
}
