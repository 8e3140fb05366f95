package service

import (
	"strings"

	"onmux/probe"
)

// softwareText is a text in which a server names its software, and the file with the
// patterns of such texts, by its name in Recog.
type softwareText struct{ file, text string }

// name adds product and version from the library where the rules found none. What they
// found stays: a version is only added to the same product.
func (o *Options) name(s *probe.Service, texts []softwareText) {
	if o.Library == nil || s.Product != "" && s.Version != "" {
		return
	}
	for _, t := range texts {
		if t.text == "" {
			continue
		}
		found, ok := o.Library.Find(t.file, t.text)
		if !ok || found.Product == "" || s.Product != "" && !strings.EqualFold(s.Product, found.Product) ||
			s.Product != "" && found.Version == "" {
			continue
		}
		if s.Product == "" {
			s.Product = safe(found.Product, nameSize)
		}
		s.Version = safe(found.Version, nameSize)
		s.Rule = strings.TrimPrefix(s.Rule+", recog "+t.file, ", ")
		return
	}
}

// softwareTexts are the texts of an answer that a library may know, the likeliest first.
func softwareTexts(m match) []softwareText {
	text := bytesOf(m.text)
	line, _, _ := strings.Cut(strings.TrimLeft(text, "\r\n"), "\n")
	line = strings.TrimRight(line, "\r ")
	switch m.service {
	case "ssh":
		_, rest, _ := strings.Cut(strings.TrimPrefix(line, "SSH-"), "-")
		return []softwareText{{"ssh_banners", rest}}
	case "ftp", "smtp", "nntp":
		if len(line) < 4 {
			return nil
		}
		return []softwareText{{m.service + "_banners", line[4:]}} // behind "220 "
	case "pop3":
		return []softwareText{{"pop_banners", strings.TrimPrefix(line, "+OK ")}}
	case "imap":
		return []softwareText{{"imap_banners", strings.TrimPrefix(line, "* OK ")}}
	case "telnet":
		return []softwareText{{"telnet_banners", strings.Trim(text, "\r\n ")}}
	case "http", "http-proxy", "ipp":
		head, body, _ := cutHead(m.text)
		texts := []softwareText{{"http_servers", bytesOf(header(head, "Server"))},
			{"http_wwwauth", bytesOf(header(head, "WWW-Authenticate"))},
			{"http_cookies", bytesOf(header(head, "Set-Cookie"))}}
		if t := title().FindStringSubmatch(body); t != nil {
			texts = append(texts, softwareText{"html_title", strings.Join(strings.Fields(bytesOf(t[1])), " ")})
		}
		return texts
	case "rtsp":
		return []softwareText{{"rtsp_servers", bytesOf(header(m.text, "Server"))}}
	case "sip":
		return []softwareText{{"sip_banners", bytesOf(header(m.text, "Server"))},
			{"sip_user_agents", bytesOf(header(m.text, "User-Agent"))}}
	case "snmp":
		return []softwareText{{"snmp_sysdescr", m.facts.info}}
	case "dns":
		if version, ok := strings.CutPrefix(m.facts.info, "version.bind: "); ok {
			return []softwareText{{"dns_versionbind", version}}
		}
	}
	return nil
}
