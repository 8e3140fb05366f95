package probe

// fault is what an error number of the operating system means to an attempt.
type fault uint8

const (
	faultOther       fault = iota
	faultBusy              // temporarily out of something
	faultRefused           // a RST, or a port unreachable
	faultReset             // the connection was there and the peer ended it
	faultHostUnreach       // no route to the host
	faultNetUnreach        // no route to the network
	faultTimedOut          // the kernel gave up waiting
	faultDenied            // a firewall or policy of this machine
)
