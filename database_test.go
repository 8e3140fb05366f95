package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"time"
)

// database is a server for the transcripts: it listens on 127.0.0.1:5432 and answers as
// PostgreSQL does to who does not log in (PostgreSQL documentation, section 55.7).
func database() {
	l, err := net.Listen("tcp", "127.0.0.1:5432")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("listening")
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			c.SetDeadline(time.Now().Add(time.Minute))
			request := make([]byte, 8)
			if _, err := io.ReadFull(c, request); err != nil {
				return
			}
			if binary.BigEndian.Uint32(request[4:]) == 80877103 { // SSLRequest
				c.Write([]byte{'N'})
				return
			}
			fields := "SFATAL\x00VFATAL\x00C0A000\x00Munsupported frontend protocol 0.0: server supports 3.0 to 3.0\x00" +
				"Fpostmaster.c\x00L2143\x00RProcessStartupPacket\x00\x00"
			c.Write(append(binary.BigEndian.AppendUint32([]byte{'E'}, uint32(4+len(fields))), fields...))
		}()
	}
}
