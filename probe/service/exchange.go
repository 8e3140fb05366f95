package service

import (
	"onmux/probe/request"
	"onmux/probe/service/answer"
)

// The requests that open every identification, each on a connection of its own,
// beside request.HTTP.
var (
	// Nothing is sent. The ports are those of protocols whose server sends first.
	waiting = request.Request{Name: answer.Waiting, Ports: []uint16{
		21, 22, 24, 25, 26, 110, 119, 143, 220, 433, 465, 563, 587, 873, 990, 992, 993, 994, 995, 2525, 2628, 3306, 4190,
		5900, 5901, 6667, 6697}}
	// The same once more, after waiting was stopped.
	waitingAgain = request.Request{Name: waiting.Name}
	clientHello  = request.Request{Name: answer.ClientHello, Ports: []uint16{
		443, 465, 563, 636, 853, 989, 990, 992, 993, 994, 995, 2376, 5061, 5671, 5986, 6443, 6697, 8443, 8883, 9443}}
)

// moreHellos are for TLS servers that reject clientHello: one that requires HTTP/2, and an
// old one.
var moreHellos = []request.Request{
	{Name: "tls-h2", Service: "tls", Rarity: request.Rare},
	{Name: "tls-old", Service: "tls", Rarity: request.Rare},
}

// exchange sends r on s and reads the answer.
func (s *session) exchange(r *request.Request) error {
	switch r.Name {
	case answer.ClientHello:
		return s.handshake(tlsConfig(s.o, "http/1.1"))
	case "tls-h2":
		return s.handshake(tlsConfig(s.o, "h2"))
	case "tls-old":
		return s.handshake(oldTLSConfig(s.o))
	case "postgresql":
		return s.negotiatePostgreSQL(r)
	}
	if r.AfterGreeting {
		if err := s.receive(); err != nil || len(s.received) == 0 {
			return err
		}
	}
	if err := s.send(r.Bytes(s.o.Host)); err != nil {
		// A peer that closed the connection may have sent the reason.
		s.receive()
		return err
	}
	if err := s.receive(); err != nil || r.Goodbye == "" {
		return err
	}
	_, err := s.conn.Write([]byte(r.Goodbye))
	return err
}

// exchangeDatagram sends r, and again if it is likely and nothing came back.
func (s *session) exchangeDatagram(r *request.Request, likely bool) error {
	message := r.Bytes(s.o.Host)
	tries := 1
	if likely {
		tries = 2
	}
	for range tries {
		s.sent = nil
		if err := s.send(message); err != nil {
			return err
		}
		if err := s.receive(); err != nil || len(s.received) > 0 {
			return err
		}
	}
	return nil
}
