package probe

import (
	"fmt"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// tcpOptions are the bits of tcpi_options (linux/tcp.h, TCPI_OPT_*).
var tcpOptions = []struct {
	bit  uint8
	name string
}{{1, "timestamps"}, {2, "sack"}, {4, "window-scale"}, {8, "ecn"}}

// handshake is what TCP_INFO has on a connection that has sent no data yet.
func handshake(info unix.TCPInfo, window bool) *Handshake {
	h := &Handshake{
		RTT: Millis(info.Rtt) * Millis(time.Microsecond), RTTVar: Millis(info.Rttvar) * Millis(time.Microsecond),
		MSS: info.Snd_mss, PathMTU: info.Pmtu, SYNs: int(info.Total_retrans) + 1,
	}
	if window {
		h.Window = &info.Snd_wnd
	}
	for _, o := range tcpOptions {
		if info.Options&o.bit != 0 {
			h.Options = append(h.Options, o.name)
		}
	}
	return h
}

// describe is the handshake in sentences, the first of which is that there was one.
func (h *Handshake) describe(rtt Millis) []string {
	first := "SYN-ACK after " + short(time.Duration(rtt))
	if h.SYNs > 1 {
		first += fmt.Sprintf(", but only after %d SYNs: this round-trip time may be that of any of them", h.SYNs)
	}
	sentences := []string{first}
	if h.Window != nil {
		sentences = append(sentences, fmt.Sprintf("the peer offers a window of %d bytes", *h.Window))
	}
	if h.PathMTU > 0 {
		sentences = append(sentences, fmt.Sprintf("segments of up to %d bytes; path MTU %d", h.MSS, h.PathMTU))
	}
	if len(h.Options) > 0 {
		sentences = append(sentences, "TCP options: "+strings.Join(h.Options, ", "))
	}
	return sentences
}
