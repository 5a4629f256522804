package restserver

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// Listen listens on "host:port", on "unix:/path/of/a/socket", or, started by
// systemd for a socket of its, on that one.
func Listen(address string) (net.Listener, error) {
	if l, err := systemdListener(); l != nil || err != nil {
		return l, err
	}
	path, isUnix := strings.CutPrefix(address, "unix:")
	if !isUnix {
		return net.Listen("tcp", address)
	}
	l, err := net.Listen("unix", path)
	if !errors.Is(err, syscall.EADDRINUSE) {
		return l, err
	}
	// A server that was killed leaves its socket, to which nobody answers.
	if c, derr := net.Dial("unix", path); derr == nil {
		c.Close()
		return nil, fmt.Errorf("%w: another server answers there", err)
	}
	if rerr := os.Remove(path); rerr != nil {
		return nil, errors.Join(err, rerr)
	}
	return net.Listen("unix", path)
}

// systemdListener returns the socket that systemd hands over, or nil; see
// sd_listen_fds(3).
func systemdListener() (net.Listener, error) {
	const firstHandedOver = 3
	if os.Getenv("LISTEN_PID") != strconv.Itoa(os.Getpid()) {
		return nil, nil //nolint:nilnil // no systemd is the usual case
	}
	if n := os.Getenv("LISTEN_FDS"); n != "1" {
		return nil, fmt.Errorf("systemd hands over %s sockets; this server serves one", n)
	}
	f := os.NewFile(firstHandedOver, "systemd socket")
	defer f.Close() // the listener has its own copy
	return net.FileListener(f)
}
