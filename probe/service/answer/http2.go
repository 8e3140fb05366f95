package answer

import (
	"strconv"
	"strings"

	"golang.org/x/net/http2/hpack"
)

// The types and flags of HTTP/2 frames (RFC 9113, section 6) that are read.
const (
	frameData    = 0
	frameHeaders = 1
	flagPadded   = 0x08
	flagPriority = 0x20
)

// readHTTP2 reads a response on stream 1 as if it had come over HTTP/1.1.
func readHTTP2(a *Answer) (Facts, bool) {
	head, body := http2Page(a.Bytes)
	if head == "" {
		return Facts{}, false
	}
	page := *a
	page.Text = Latin1([]byte(head + "\r\n" + body))
	page.Sent = nil
	top, rest, _ := pageParts(page.Text)
	f := pageFacts(&page, top, rest)
	f.HTTP.Version = "2"
	f.HTTP.Host = Printable(authorityOf(a.Sent), infoSize)
	return f, true
}

// http2Page is the header and the body of the response, the header as HTTP/1.1 has it.
func http2Page(b []byte) (head, body string) {
	var text strings.Builder
	for len(b) >= 9 {
		n := int(b[0])<<16 | int(b[1])<<8 | int(b[2])
		kind, flags, stream := b[3], b[4], b[8]
		if b[5]|b[6]|b[7] != 0 || len(b) < 9+n && kind != frameData {
			break
		}
		payload := b[9:min(len(b), 9+n)]
		b = b[9+len(payload):]
		if stream != 1 {
			continue
		}
		if flags&flagPadded != 0 && len(payload) > 0 {
			payload = payload[1:max(len(payload)-int(payload[0]), 1)]
		}
		switch {
		case kind == frameHeaders && head == "":
			if flags&flagPriority != 0 {
				payload = payload[min(len(payload), 5):]
			}
			head = http2Head(payload)
		case kind == frameData:
			text.Write(payload)
		}
	}
	return head, text.String()
}

// http2Head decodes a header block.
func http2Head(block []byte) string {
	fields, err := hpack.NewDecoder(4096, nil).DecodeFull(block)
	if err != nil {
		return ""
	}
	status, lines := "", ""
	for _, f := range fields {
		switch {
		case f.Name == ":status":
			status = f.Value
		case len(lines) < MaxSize:
			lines += f.Name + ": " + strings.NewReplacer("\r", "", "\n", "").Replace(f.Value) + "\r\n"
		}
	}
	if n, err := strconv.Atoi(status); err != nil || n < 100 || n > 599 {
		return ""
	}
	return "HTTP/1.1 " + status + "\r\n" + lines
}

// authorityOf is the name that an HTTP/2 request of ours has.
func authorityOf(sent []byte) string {
	const preface = 24 + 9
	if len(sent) < preface+9 {
		return ""
	}
	fields, err := hpack.NewDecoder(4096, nil).DecodeFull(sent[preface+9:])
	if err != nil {
		return ""
	}
	for _, f := range fields {
		if f.Name == ":authority" {
			return f.Value
		}
	}
	return ""
}
