package probe

import "time"

// Exchange is one request that was sent to identify a service, and what came back: the
// evidence of a Service.
type Exchange struct {
	Request    string    `json:"request"`              // its name; "wait" if nothing was sent
	Connection int       `json:"connection,omitempty"` // counts from 1; several requests may share one
	Time       time.Time `json:"time"`                 // when it was sent, UTC
	InTLS      bool      `json:"in_tls,omitempty"`     // the bytes are those inside TLS
	Sent       []byte    `json:"sent,omitempty"`       // the first KiB (base64 in JSON)
	SentBytes  int       `json:"sent_bytes,omitempty"` // all of it
	Answer     []byte    `json:"answer,omitempty"`     // the first KiB of what was read
	AnswerSize int       `json:"answer_bytes,omitempty"`
	After      Millis    `json:"after_ms,omitzero"` // from Time to the first byte of the answer
	End        ConnEnd   `json:"end,omitempty"`
}

// ExchangeSize is how much an Exchange keeps of either side, in bytes.
const ExchangeSize = 1 << 10

// ConnEnd is how the connection of an Exchange ended. It is empty over UDP.
type ConnEnd string

// The ends of a connection.
const (
	EndContinued   ConnEnd = "continued"   // the next request was sent on it
	EndLeft        ConnEnd = "left"        // this side closed it
	EndClosed      ConnEnd = "closed"      // the peer closed it
	EndReset       ConnEnd = "reset"       // the peer reset it
	EndRefused     ConnEnd = "refused"     // there was none: a RST, or an ICMP error
	EndNotAccepted ConnEnd = "no-response" // there was none: nothing came back
)

// IsAnswered reports whether the peer sent anything.
func (x Exchange) IsAnswered() bool { return x.AnswerSize > 0 }

// Withdrawal is that a peer stopped answering while its service was identified.
type Withdrawal struct {
	After string  `json:"after"` // the last request that it accepted a connection for
	End   ConnEnd `json:"end"`   // refused or no-response: what became of the next connection
	State State   `json:"state"` // of the endpoint before; Result.State is what it was found to be then
}
