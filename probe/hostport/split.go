package hostport

import (
	"fmt"
	"net/netip"
	"onmux/probe/wording"
	"strings"
)

// Split returns the host of a word and its ports as ports.Parse takes them, which are ""
// if it has none. The host is not checked: it may be a name, an address or a network.
// Errors do not quote the password of a URL.
func Split(word string) (host, spec string, err error) {
	if !strings.Contains(word, ":") {
		return word, "", nil
	}
	if scheme, rest, ok := strings.Cut(word, "://"); ok {
		return splitURL(scheme, rest)
	}
	if _, err := netip.ParseAddr(word); err == nil {
		return word, "", nil
	}
	return splitPort(word)
}

// splitPort splits HOST:PORTS and [ADDRESS]:PORTS. What has several colons and no
// brackets is IPv6 without a port.
func splitPort(word string) (host, spec string, err error) {
	host, spec, found := strings.Cut(word, ":")
	if inner, ok := strings.CutPrefix(word, "["); ok {
		rest := ""
		if host, rest, ok = strings.Cut(inner, "]"); !ok {
			return "", "", fmt.Errorf("%s has no closing bracket", wording.Quote(word))
		}
		if rest == "" {
			return host, "", nil
		}
		if spec, found = strings.CutPrefix(rest, ":"); !found {
			return "", "", fmt.Errorf("%s has something other than :PORT behind its bracket", wording.Quote(word))
		}
	} else if strings.Contains(spec, ":") {
		return word, "", nil
	}
	switch {
	case found && host == "":
		return "", "", fmt.Errorf("%s has no host before its port", wording.Quote(word))
	case found && spec == "":
		return "", "", fmt.Errorf("%s has no port behind its colon", wording.Quote(word))
	}
	return host, spec, nil
}

// splitURL returns the host of a URL (RFC 3986, section 3.2) and its port, which is that
// of the scheme if there is no other.
func splitURL(scheme, rest string) (host, spec string, err error) {
	scheme = strings.ToLower(scheme[strings.LastIndexByte(scheme, ':')+1:]) // jdbc:postgresql
	authority := rest
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		authority = rest[:end]
	}
	authority = authority[strings.LastIndexByte(authority, '@')+1:]
	authority, _, _ = strings.Cut(authority, ";") // sqlserver://host:1433;database=x
	url := scheme + "://" + authority
	if authority == "" {
		return "", "", fmt.Errorf("%s has no host", wording.Quote(url))
	}
	host, port := authority, ""
	if _, err := netip.ParseAddr(authority); err != nil { // IPv6 without brackets is a mistake that is understood
		host, port, err = splitPort(strings.TrimSuffix(authority, ":"))
		if err != nil {
			return "", "", fmt.Errorf("%s: %w", wording.Quote(url), err)
		}
	}
	host = strings.Replace(host, "%25", "%", 1) // RFC 6874
	known, proto := portOf(scheme)
	switch {
	case port == "":
		port = known
	case strings.Trim(port, "0123456789") != "":
		return "", "", fmt.Errorf("%s: %s is not a port number", wording.Quote(url), wording.Quote(port))
	}
	if port == "" && (scheme == "tcp" || scheme == "udp") {
		return "", "", fmt.Errorf("%s has no port: write HOST:PORT", wording.Quote(url))
	}
	if port == "" {
		return "", "", fmt.Errorf("%s has no port, and its scheme stands for none that is known: write HOST:PORT",
			wording.Quote(url))
	}
	return host, port + proto, nil
}
