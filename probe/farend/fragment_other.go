//go:build !linux

package farend

import (
	"errors"
	"net"
)

func dontFragment(net.Conn) (mtu int, err error) { return 0, errors.ErrUnsupported }

// WholeAnswers fails: on this system, answers may be fragmented.
func WholeAnswers(*net.UDPConn, func() error) error { return errors.ErrUnsupported }

func isTooLong(error) bool { return false }
