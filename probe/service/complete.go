package service

import (
	"bytes"
	"strconv"
	"strings"

	"onmux/probe/service/answer"
)

// isWhole reports whether the peer is done with what it has sent, as far as its form shows.
func isWhole(b []byte) bool { return len(b) > 0 && !isUnfinished(b) }

// isUnfinished reports whether b is text that goes on: the last line has no end and is not a
// prompt, or the last line of a reply is missing (RFC 5321, section 4.2.1).
func isUnfinished(b []byte) bool { return isLineOpen(b) || isContinued(b) }

func isLineOpen(b []byte) bool {
	if len(b) == 0 || b[len(b)-1] == '\n' || isPage(b) || !isText(b) {
		return false
	}
	// A prompt, or the end of an element or object, is complete without the end of the line.
	text := bytes.TrimRight(b, " ")
	return len(text) > 0 && !bytes.ContainsAny(text[len(text)-1:], ":>$#?%)}]")
}

// isText reports whether b is printable ASCII in lines.
func isText(b []byte) bool {
	for _, c := range b {
		if (c < ' ' || c > '~') && c != '\r' && c != '\n' && c != '\t' {
			return false
		}
	}
	return true
}

// isContinued reports whether the last line begins as in "220-".
func isContinued(b []byte) bool {
	if len(b) == 0 || b[len(b)-1] != '\n' {
		return false
	}
	last := b[bytes.LastIndexByte(b[:len(b)-1], '\n')+1:]
	if len(last) < 4 || last[3] != '-' {
		return false
	}
	_, err := strconv.ParseUint(string(last[:3]), 10, 16)
	return err == nil
}

// isPage reports whether b is a response of HTTP, or the beginning of one.
func isPage(b []byte) bool { return bytes.HasPrefix(b, []byte("HTTP/1.")) }

// isWholePage reports whether the response has the length that it states (RFC 9110, section
// 8.6).
func isWholePage(b []byte) bool {
	head, body, ok := answer.CutHead(string(b))
	if !ok {
		return false
	}
	if strings.EqualFold(answer.Header(head, "Transfer-Encoding"), "chunked") {
		return strings.HasSuffix(body, "\r\n0\r\n\r\n") // RFC 9112, section 7.1: the last chunk
	}
	length := answer.Header(head, "Content-Length")
	n, err := strconv.Atoi(strings.TrimSpace(length))
	return err == nil && len(body) >= n
}
