package service

import "context"

// finishMySQL answers what the server replies to a handshake response (MySQL client/server
// protocol, connection phase): if it wants another plugin, with an empty password again, and
// if it should have the user, with COM_QUIT. The handshake is complete then.
func (s *session) finishMySQL(ctx context.Context) error {
	const (
		ok         = 0x00
		authSwitch = 0xfe
	)
	if reply := s.received; len(reply) > 4 && reply[4] == authSwitch {
		if err := s.send([]byte{0, 0, 0, reply[3] + 1}); err != nil {
			return err
		}
		s.received = nil
		if err := s.receive(ctx); err != nil {
			return err
		}
	}
	if reply := s.received; len(reply) > 4 && reply[4] == ok {
		return s.send([]byte("\x01\x00\x00\x00\x01"))
	}
	return nil
}
