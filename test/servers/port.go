package servers

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
)

// Ports for servers lie below those that Linux gives to outgoing connections
// (ip_local_port_range begins at 32768), which come and go all the time.
const (
	firstPort = 20000
	lastPort  = 32767
)

// portTries is how many ports are tried before giving up.
const portTries = 50

// freePort returns a port of the loopback that nobody listens on. It is
// chosen at random: many test processes choose at the same time.
func freePort() (int, error) {
	var last error
	for range portTries {
		port := firstPort + rand.IntN(lastPort-firstPort+1)
		l, err := net.Listen("tcp", address(port))
		if err == nil {
			return port, l.Close()
		}
		last = err
	}
	return 0, errors.Join(errors.New("no port is free"), last)
}

// address is where a server on a port listens.
func address(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }
