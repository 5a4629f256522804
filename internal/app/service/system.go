package service

import (
	"net"
	"os"
)

// notifySystem tells systemd about the state of the service, where it wants to
// know (Type=notify). See sd_notify(3).
func notifySystem(state string) {
	address := os.Getenv("NOTIFY_SOCKET")
	if address == "" {
		return
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: address, Net: "unixgram"})
	if err != nil {
		return
	}
	conn.Write([]byte(state)) //nolint:errcheck // systemd notices by itself
	conn.Close()              //nolint:errcheck // nothing is left to be written
}
