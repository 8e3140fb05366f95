package hello

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// JA4 is the fingerprint of a client that speaks TLS over TCP:
// https://github.com/FoxIO-LLC/ja4, technical_details/JA4.md. It does not depend on the name
// that the client asks for, nor on the order of what it offers.
func (c *Client) JA4() string {
	suites := slices.DeleteFunc(slices.Clone(c.suites), isGREASE)
	extensions := slices.DeleteFunc(slices.Clone(c.extensions), isGREASE)
	named := "i"
	if slices.Contains(extensions, extServerName) {
		named = "d"
	}
	head := fmt.Sprintf("t%s%s%02d%02d%s", c.versionCode(), named, min(len(suites), 99), min(len(extensions), 99),
		c.protocolCode())
	slices.Sort(suites)
	extensions = slices.DeleteFunc(extensions, func(e uint16) bool { return e == extServerName || e == extALPN })
	slices.Sort(extensions)
	tail := hexList(extensions)
	algorithms := slices.DeleteFunc(slices.Clone(c.algorithms), isGREASE)
	if len(algorithms) > 0 {
		tail += "_" + hexList(algorithms)
	}
	return head + "_" + digest(hexList(suites), len(suites)) + "_" + digest(tail, len(extensions))
}

func (c *Client) versionCode() string {
	switch c.version {
	case 0x0304:
		return "13"
	case 0x0303:
		return "12"
	case 0x0302:
		return "11"
	case 0x0301:
		return "10"
	case 0x0300:
		return "s3"
	case 0x0002:
		return "s2"
	}
	return "00"
}

// protocolCode is the first and the last character of the first protocol, or of its bytes
// in hexadecimal where those are not alphanumeric.
func (c *Client) protocolCode() string {
	if len(c.ALPN) == 0 {
		return "00"
	}
	p := c.ALPN[0]
	first, last := p[0], p[len(p)-1]
	if isAlphanumeric(first) && isAlphanumeric(last) {
		return string([]byte{first, last})
	}
	code := hex.EncodeToString([]byte(p))
	return code[:1] + code[len(code)-1:]
}

func isAlphanumeric(b byte) bool {
	return '0' <= b && b <= '9' || 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z'
}

func hexList(all []uint16) string {
	words := make([]string, len(all))
	for i, v := range all {
		words[i] = fmt.Sprintf("%04x", v)
	}
	return strings.Join(words, ",")
}

// digest is the first 12 hexadecimal digits of a hash; zeros for an empty list.
func digest(list string, n int) string {
	if n == 0 {
		return "000000000000"
	}
	sum := sha256.Sum256([]byte(list))
	return hex.EncodeToString(sum[:6])
}
