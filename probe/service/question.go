package service

import (
	"cmp"
	"slices"
)

// question is one way to make a peer speak. A protocol in a file of its own adds
// a row to questions, and rules that know the answer to the tables of rules.
//
// Nothing that a question says may change anything at the peer, log anyone in,
// or be worth amplifying.
type question struct {
	name    string   // unique, told in reports
	service string   // whose tongue it speaks: asked first once something points to that service
	ports   []uint16 // where it is asked first, and where alone if its rarity is only
	rarity  int      // of the service on other ports: 1 is asked first
	greeted bool     // the peer speaks first
	bare    bool     // asked only while nothing but its service is known
	say     string   // what is said, or
	text    func(o *Options) []byte
	bye     string               // takes leave, so that the peer need not log a client that vanished
	talk    func(*session) error // for what takes more than one round
}

// only is the rarity of a question that is asked on its own ports, or after a
// sign of its service, and nowhere else.
const only = 99

// ask has the question's dialogue on s.
func (q *question) ask(s *session) error {
	if q.talk != nil {
		return q.talk(s)
	}
	if q.greeted {
		if err := s.hear(); err != nil || len(s.heard) == 0 {
			return err
		}
	}
	words := []byte(q.say)
	if q.text != nil {
		words = q.text(s.o)
	}
	if err := s.say(words); err != nil {
		// A peer that shut the door may have said why.
		s.hear()
		return err
	}
	if err := s.hear(); err != nil || q.bye == "" {
		return err
	}
	_, err := s.conn.Write([]byte(q.bye))
	return err
}

// likely sorts the questions that may be asked of a port, likeliest first. signs
// are the services to which answers have pointed.
func likely(questions []*question, port uint16, signs map[string]bool) {
	class := func(q *question) int {
		switch {
		case signs[q.service]:
			return -2
		case q.at(port):
			return -1
		}
		return q.rarity
	}
	slices.SortStableFunc(questions, func(a, b *question) int { return cmp.Compare(class(a), class(b)) })
}

// due reports whether q is asked on port at all.
func (q *question) due(port uint16, signs map[string]bool) bool {
	return q.rarity != only || signs[q.service] || q.at(port)
}

// at reports whether q is at home on port.
func (q *question) at(port uint16) bool { return slices.Contains(q.ports, port) }

// The questions that open every identification, each on a connection of its own.
var (
	// The ports are those of protocols whose server speaks first.
	waiting = question{name: "wait", ports: []uint16{
		21, 22, 24, 25, 26, 110, 119, 143, 220, 433, 465, 563, 587, 873, 990, 992, 993, 994, 995, 2525, 2628, 3306, 4190, 5900, 5901, 6667, 6697}}
	// What waits once more after waiting was let go.
	waitingOn = question{name: waiting.name}
	hello     = question{name: "tls", talk: shakeHands, ports: []uint16{
		443, 465, 563, 636, 853, 989, 990, 992, 993, 994, 995, 2376, 5061, 5671, 5986, 6443, 6697, 8443, 8883, 9443}}
	// Without a Host header: Redis takes that for an attack, logs it, and closes.
	bareHTTP = question{name: "http", service: "http", say: "GET / HTTP/1.0\r\n\r\n",
		ports: []uint16{80, 81, 591, 3000, 5000, 8000, 8008, 8080, 8081, 8888, 9000, 9090}}
)
