package evidence

import (
	"cmp"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"onmux/probe"
	"onmux/probe/wording"
)

// Sentences are the evidence of a verdict, the strongest first.
func Sentences(r *probe.Result) (out []string) {
	for _, f := range r.Facts {
		out = append(out, fact(f, r.Endpoint)...)
	}
	if r.Openness != nil {
		if s := behaviors[r.Openness.Behavior]; s != "" {
			out = append(out, s)
		}
	}
	if len(r.Path) > 0 {
		out = append(out, Path(r.Endpoint, r.Path))
	}
	return out
}

// behaviors has what an open port does with a connection where that is no reason to doubt it.
var behaviors = map[probe.Behavior]string{
	probe.SendsData: "it sends data",
	probe.StaysSilent: "it takes data and sends none: so does a service that waits for its own protocol, " +
		"and so does a decoy",
	probe.ClosesOnData: "it closes a connection as soon as it receives data",
}

// fact is one piece of evidence about e, or nothing if f is a note.
func fact(f probe.Fact, e probe.Endpoint) []string {
	after := duration(f.After)
	switch f.Kind {
	case probe.FactSynAck:
		return handshake(f)
	case probe.FactReset:
		return []string{"RST after " + after}
	case probe.FactRefused:
		return []string{"refused after " + after}
	case probe.FactResetAtOnce:
		return []string{"accepted, and reset at once, after " + after}
	case probe.FactReply:
		return []string{reply(f)}
	case probe.FactReplyTo:
		return []string{fmt.Sprintf("a datagram in answer to the request %q, within %s", f.Text, time.Duration(f.After))}
	case probe.FactSilence:
		return []string{silence(f)}
	case probe.FactPortUnreachable:
		return []string{"port unreachable after " + after + "; this system does not show from whom"}
	case probe.FactSystemError:
		return []string{fmt.Sprintf("the system reported %q after %s", f.Text, after)}
	case probe.FactKernelError:
		return []string{
			fmt.Sprintf("the kernel reported %q after %s, without the ICMP message behind it", f.Text, after),
		}
	case probe.FactICMP:
		return []string{icmp(f, e) + senders[f.Sender] + ", after " + after}
	case probe.FactICMPIgnored:
		return []string{icmp(f, e) + " ended the handshake, and is not a verdict on the port"}
	case probe.FactNoNeighbor:
		return []string{noNeighbor(f)}
	case probe.FactSource:
		return []string{source(f.From, f.Route)}
	}
	return packet(f)
}

// Failure is why the state of an endpoint is unknown, or "".
func Failure(facts []probe.Fact) string {
	for _, f := range facts {
		switch f.Kind {
		case probe.FactOneDirection:
			return "the packets of one direction are not in the capture: clients go on after answers that it does not have"
		case probe.FactCaptureEnds:
			number, unit := wording.Duration(time.Duration(f.After))
			return "the capture ends " + number + " " + unit + " after it was first tried"
		case probe.FactNeverAsked:
			return "no client tried to reach it within the capture"
		}
	}
	return ""
}

// packet is evidence from a packet that a scan received itself.
func packet(f probe.Fact) []string {
	switch f.Kind {
	case probe.FactOwnPort:
		return []string{"this scan sends from the port, so no other program holds it; nothing was sent to it"}
	case probe.FactQuote:
		return []string{fmt.Sprintf("ICMP type %d code %d from %s quotes our probe", f.ICMP.Type, f.ICMP.Code, f.Addr)}
	case probe.FactDatagram:
		return []string{fmt.Sprintf("%s-byte answer to our datagram", wording.Number(f.Size))}
	case probe.FactWindow:
		return []string{fmt.Sprintf("SYN-ACK with a window of %s that acknowledges our SYN",
			wording.Count(f.Size, "byte", "bytes"))}
	case probe.FactRST:
		return []string{"RST that acknowledges our SYN"}
	case probe.FactMAC:
		return []string{"its MAC is " + f.Text}
	case probe.FactUnresolved:
		question := "neighbor discovery"
		if f.Addr.Is4() {
			question = "ARP"
		}
		return []string{"no answer to " + question + " for " + f.Addr.String()}
	}
	return nil
}

// duration is "8 µs", "0.12 ms", "13.2 ms", "2 s".
func duration(m probe.Millis) string {
	number, unit := wording.Duration(time.Duration(m))
	return strings.TrimSuffix(number, ".0") + " " + unit
}

// handshake is a handshake, and what this machine's kernel knows of it.
func handshake(f probe.Fact) []string {
	first, h := "SYN-ACK after "+duration(f.After), f.Handshake
	if h == nil {
		return []string{first}
	}
	if h.SYNs > 1 {
		first += fmt.Sprintf(", but only after %d SYNs: this round-trip time may be that of any of them", h.SYNs)
	}
	out := []string{first}
	if h.Window != nil {
		out = append(out, fmt.Sprintf("the peer offers a window of %s", wording.Count(uint64(*h.Window), "byte", "bytes")))
	}
	if h.PathMTU > 0 {
		out = append(out, fmt.Sprintf("segments of up to %s; path MTU %s", wording.Count(uint64(h.MSS), "byte", "bytes"),
			wording.Number(uint64(h.PathMTU))))
	}
	if len(h.Options) > 0 {
		out = append(out, "TCP options: "+strings.Join(h.Options, ", "))
	}
	return out
}

func reply(f probe.Fact) string {
	more, second := "", ""
	if f.Size > len(f.Data) {
		more = " …"
	}
	if f.Count > 1 {
		second = ", after a second datagram had been sent"
	}
	return fmt.Sprintf("a datagram of %s after %s%s: %s%s", wording.Count(f.Size, "byte", "bytes"), duration(f.After),
		second, strconv.QuoteToASCII(string(f.Data)), more)
}

func silence(f probe.Fact) string {
	s := "nothing came back in " + duration(f.After)
	switch {
	case f.Count > 0 && f.Size > 0:
		s += fmt.Sprintf("; %s sent, %s each", wording.Count(f.Count, "datagram", "datagrams"),
			wording.Count(f.Size, "byte", "bytes"))
	case f.Count > 0:
		s += "; the kernel sent " + wording.Count(f.Count, "SYN", "SYNs")
	}
	return s
}

// icmp is "ICMP 3/13 (administratively prohibited) from 10.1.0.1".
func icmp(f probe.Fact, e probe.Endpoint) string {
	from := "an unknown sender"
	if f.Addr.IsValid() {
		from = f.Addr.String()
	}
	return f.ICMP.Describe(e.Addr.Unmap().Is4()) + " from " + from
}

var senders = map[probe.Sender]string{
	probe.SenderTarget:   ", the target itself",
	probe.SenderSelf:     ", this machine itself",
	probe.SenderNeighbor: ", this machine: no neighbor answered for the address",
}

func noNeighbor(f probe.Fact) string {
	route := cmp.Or(f.Route, &probe.Route{})
	how := "NDP"
	if f.Addr.Unmap().Is4() {
		how = "ARP"
	}
	cause := "no neighbor answers for " + f.Addr.String()
	if route.Gateway.IsValid() {
		cause = "the gateway " + f.Addr.String() + " does not answer"
	}
	return fmt.Sprintf("%s on %s (%s), so that nothing left this machine in %s", cause, route.Interface, how,
		duration(f.After))
}

// source is "probed from 10.0.0.2:43122 on eth0 through the gateway 10.0.0.1".
func source(from netip.AddrPort, by *probe.Route) string {
	s := "probed from " + from.String()
	if by == nil {
		return s
	}
	if by.Interface != "" && !strings.HasSuffix(from.Addr().Zone(), by.Interface) {
		s += " on " + by.Interface
	}
	if by.Gateway.IsValid() {
		s += " through the gateway " + by.Gateway.String()
	}
	return s
}
