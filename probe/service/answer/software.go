package answer

import "strings"

// SoftwareText is a text in which a server names its software, and the file with the
// patterns of such texts, by its name in Recog.
type SoftwareText struct{ File, Text string }

// SoftwareTexts are the texts of an answer that a library may know, the likeliest first.
func (m Match) SoftwareTexts() []SoftwareText {
	text := bytesOf(m.Text)
	line, _, _ := strings.Cut(strings.TrimLeft(text, "\r\n"), "\n")
	line = strings.TrimRight(line, "\r ")
	switch m.Service {
	case "ssh":
		_, rest, _ := strings.Cut(strings.TrimPrefix(line, "SSH-"), "-")
		return []SoftwareText{{"ssh_banners", rest}}
	case "ftp", "smtp", "nntp":
		if len(line) < 4 {
			return nil
		}
		return []SoftwareText{{m.Service + "_banners", line[4:]}} // behind "220 "
	case "pop3":
		return []SoftwareText{{"pop_banners", strings.TrimPrefix(line, "+OK ")}}
	case "imap":
		return []SoftwareText{{"imap_banners", strings.TrimPrefix(line, "* OK ")}}
	case "telnet":
		return []SoftwareText{{"telnet_banners", strings.Trim(text, "\r\n ")}}
	case "http", "http-proxy", "ipp":
		head, body, _ := pageParts(m.Text)
		texts := []SoftwareText{{"http_servers", bytesOf(Header(head, "Server"))},
			{"http_wwwauth", bytesOf(Header(head, "WWW-Authenticate"))},
			{"http_cookies", bytesOf(Header(head, "Set-Cookie"))}}
		if t := titleOf(head, body); t != "" {
			texts = append(texts, SoftwareText{"html_title", t})
		}
		return texts
	case "rtsp":
		return []SoftwareText{{"rtsp_servers", bytesOf(Header(m.Text, "Server"))}}
	case "sip":
		return []SoftwareText{{"sip_banners", bytesOf(Header(m.Text, "Server"))},
			{"sip_user_agents", bytesOf(Header(m.Text, "User-Agent"))}}
	case "snmp":
		return []SoftwareText{{"snmp_sysdescr", m.Facts.Description}}
	case "dns":
		return []SoftwareText{{"dns_versionbind", m.Facts.Description}}
	}
	return nil
}
