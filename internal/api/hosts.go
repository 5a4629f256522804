package api

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
)

// hosts are the names under which a service may be asked. A page from anywhere
// can have its own name lead here ("DNS rebinding"); its requests then come
// under that name, and are refused. Addresses are no names, and over TLS the
// certificate says who is asked.
type hosts map[string]bool

// knownHosts returns the names of this machine and those that are given.
func knownHosts(names []string) hosts {
	h := hosts{"localhost": true}
	if own, err := os.Hostname(); err == nil {
		h.add(own)
	}
	for _, name := range names {
		h.add(name)
	}
	return h
}

func (h hosts) add(name string) {
	if host, _, err := net.SplitHostPort(name); err == nil {
		name = host
	}
	if name = canonical(name); name != "" {
		h[name] = true
	}
}

func canonical(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

// check refuses a request under a name that may not be asked.
func (h hosts) check(r *http.Request) error {
	if h.knows(r) {
		return nil
	}
	return fmt.Errorf("%w: ask for an address, for localhost, or add the name to service.hosts", errHost)
}

// knows tells whether a request asks under a name that may be asked.
func (h hosts) knows(r *http.Request) bool {
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return true
	}
	return r.TLS != nil || h[canonical(host)]
}
