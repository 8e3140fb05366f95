package service

import (
	"bytes"
	"io"
	"net"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"onmux/probe/request"
	"onmux/probe/service/answer"
)

// forbidden is what a request may never contain, in any protocol that its bytes may be
// read as: commands that log in, write, run, stop or return what is stored.
var forbidden = []string{
	// mail, FTP
	`(?i)(?:^|\n)(?:[a-z0-9]{1,8} )?(?:USER|PASS|AUTH|AUTHENTICATE|LOGIN|APOP|STARTTLS|MAIL|RCPT|DATA|TURN|ETRN|VRFY` +
		`|EXPN)(?: |\r|\n|$)`,
	// FTP, HTTP, NNTP
	`(?i)(?:^|\n)(?:STOR|STOU|APPE|DELE|RMD|MKD|RNFR|SITE|RETR|LIST|NLST|PORT|PASV|POST|PUT|DELETE|PATCH|CONNECT` +
		`|TRACE)(?: |\r|\n|$)`,
	`(?i)(?:^|\n)(?:SET|ADD|CAS|REPLACE|APPEND|DEL|FLUSH\w*|CONFIG|EVAL|KEYS|MONITOR|SHUTDOWN|SLAVEOF|REPLICAOF|SAVE` +
		`|DEBUG|INCR)(?: |\r|\n|$)`,
	// ZooKeeper, beanstalkd, clamd
	`(?i)(?:^|\n)(?:kill|wchp|wchc|dump|crst|srst|ruok|put|reserve|delete|n?SCAN|nRELOAD)(?: |\r|\n|$)`,
	`(?i)(?:REGISTER|INVITE|MESSAGE|SUBSCRIBE|DESCRIBE|SETUP|PLAY|RECORD|ANNOUNCE) \S+ (?:SIP/2|RTSP/1)`,
	`(?i)git-receive-pack`, `(?i)\b(?:private|root|password|passwd)\b`,
	`^\x00\x02[ -~]+\x00(?i:octet|netascii)`,                // TFTP: a write request
	`(?s)^\x30.\x02\x01\x00\x04.[a-z]+\xa3`,                 // SNMP: a set
	`(?s)^\x30.\x02\x01.[\x60\x66\x68\x4a]`,                 // LDAP: bind, modify, add, delete
	`(?s)^\x10.{1,2}\x00[\x04\x06]MQ(?:TT|Isdp)[\x03-\x05]`, // MQTT of a level that opens a session
	`(?s)^\x01.\x00[\x14-\xff].{16}`,                        // RADIUS: Access-Request
	`(?s)^\x04[\x01\x02]...{4}[^\x00]*\x00$`,                // SOCKS 4: CONNECT, BIND
	`(?s)^\x05[\x01-\x03]\x00[\x01\x03\x04].{4}`,            // SOCKS 5: the same
	`(?s)^\x17\x00\x03\x2a`,                                 // NTP: private mode, monlist
}

// triggers are what makes a request that waits for a greeting go on, and the others
// continue: an answer of each service.
func triggers(t *testing.T) map[string]string {
	recorded, err := os.ReadFile("answer/testdata/answers.txt")
	if err != nil {
		t.Fatal(err)
	}
	replies := map[string]string{"smtp": "220 mx.example.net ESMTP\r\n", "ftp": "220 FTP server ready\r\n",
		"pop3": "+OK POP3 ready\r\n", "imap": "* OK IMAP4rev1 ready\r\n", "nntp": "200 NNTP ready\r\n"}
	for line := range strings.Lines(string(recorded)) {
		if f := strings.SplitN(strings.TrimSpace(line), "\t", 7); len(f) == 7 && replies[f[3]] == "" {
			if replies[f[3]], err = strconv.Unquote(f[6]); err != nil {
				t.Fatal(err)
			}
		}
	}
	return replies
}

// message is what the request of that name sends.
func message(name string) []byte {
	for _, q := range slices.Concat([]*request.Request{&request.HTTP}, request.TCP(), request.UDP()) {
		if q.Name == name {
			return q.Bytes("")
		}
	}
	return nil
}

// sentTo is what one request sends to a peer that answers anything with the same bytes.
func sentTo(t *testing.T, q *request.Request, reply string) []byte {
	var received bytes.Buffer
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		var peer sync.WaitGroup
		peer.Go(func() {
			defer theirs.Close()
			b := make([]byte, 4096)
			if q.AfterGreeting {
				io.WriteString(theirs, reply)
			}
			for {
				n, err := theirs.Read(b)
				received.Write(b[:n])
				if err != nil {
					return
				}
				theirs.SetWriteDeadline(time.Now().Add(time.Second))
				io.WriteString(theirs, reply)
			}
		})
		s := newSearch(nil, 417,
			Options{RTT: time.Millisecond, Host: "host.invalid"})
		c := s.session(ours)
		c.perform(t.Context(), step{Request: q}, true)
		c.close()
		peer.Wait()
	})
	return received.Bytes()
}

// No request changes the peer, logs in, or reads what it stores, whatever the peer
// answers.
func TestHarmless(t *testing.T) {
	var never []*regexp.Regexp
	for _, p := range forbidden {
		never = append(never, regexp.MustCompile(p))
	}
	replies := triggers(t)
	for _, q := range slices.Concat([]*request.Request{&waiting, &clientHello, &request.HTTP, &moreHellos[0],
		&moreHellos[1]}, request.TCP(), request.UDP()) {
		for _, reply := range []string{replies[q.Service], "220 ready\r\n", "\x00", ""} {
			sent := sentTo(t, q, reply)
			if len(sent) > 2<<10 {
				t.Errorf("%s sends %d bytes", q.Name, len(sent))
			}
			for _, p := range never {
				if at := p.FindString(answer.Latin1(sent)); at != "" {
					t.Errorf("%s sends %.200q: %.60q matches %s", q.Name, sent, at, p)
				}
			}
		}
	}
}

// The list would notice.
func TestForbiddenIsNoticed(t *testing.T) {
	for _, bad := range []string{
		"EHLO x\r\nMAIL FROM:<>\r\n", "USER anonymous\r\n", "a LOGIN a b\r\n", "STOR x\r\n", "POST / HTTP/1.0\r\n\r\n",
		"SET a b\r\n", "FLUSHALL\r\n",
		"kill", "put 1 2 3 4\r\n", "nSCAN /etc\n", "INVITE sip:a@b SIP/2.0\r\n", "0032git-receive-pack /x\x00",
		"\x00\x02boot\x00octet\x00",
		"\x30\x26\x02\x01\x00\x04\x06public\xa3\x19", "\x30\x0c\x02\x01\x01\x60\x07",
		"\x10\x10\x00\x04MQTT\x04\x02\x00\x3c\x00\x00\x00", "\x01\x17\x00\x14abcdefghijklmnop", "\x17\x00\x03\x2a",
		"\x04\x01\x00\x50\x7f\x00\x00\x01\x00", "\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x50",
	} {
		if !slices.ContainsFunc(forbidden,
			func(p string) bool { return regexp.MustCompile(p).MatchString(answer.Latin1([]byte(bad))) }) {
			t.Errorf("%q is on no list", bad)
		}
	}
}
