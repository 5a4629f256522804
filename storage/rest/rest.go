// Package rest is a storage.Store on a server that speaks restic's REST
// protocol: `holdfast rest-server`, restic's own rest-server, or rclone.
//
// # What such a server can hold
//
// The protocol knows the files of a restic repository and nothing else:
//
//	POST   <url>?create=true             make the place
//	HEAD, GET, POST, DELETE <url>config  the one file without a kind
//	HEAD, GET, POST, DELETE <url><kind>/<id>
//	GET    <url><kind>/                  names and sizes, as JSON
//
// where kind is data, index, keys, locks or snapshots, and id is the SHA-256
// of the content, which the server compares with what arrives. The key
// data/3f/3f9a... is data/3f9a... there: how packs are spread over folders is
// the server's business.
//
// Everything below holdfast/ needs `holdfast rest-server`, which serves those
// keys under the same rules. Another server refuses them with
// storage.ErrUnsupported; CheckOwnKeys tells beforehand.
//
// # What such a server promises
//
// `holdfast rest-server` keeps the whole contract of storage.Store. restic's
// own replaces an object when two clients put it at the same instant, which
// is harmless where names are hashes of the content.
//
// An append-only server answers Delete with an error that is
// fs.ErrPermission; only locks can be deleted there.
package rest

import (
	"context"
	"fmt"
	"net/http"
	"sync"

	"holdfast/storage"
	"holdfast/storage/internal/httpx"
)

// Store keeps objects on a server. Open and Create make it; Close ends its
// connections.
type Store struct {
	options   Options
	transport *httpx.Transport

	own sync.Mutex // guards what is known of keys of our own
	// holdsOwn tells that the server was seen to serve holdfast/.
	holdsOwn bool
}

var _ storage.Store = (*Store)(nil)

// Open prepares for talking to the server. It sends nothing: the protocol has
// no question whose answer would tell an empty place from a missing one.
func Open(_ context.Context, o Options) (*Store, error) {
	transport, err := httpx.NewTransport(httpx.Options{
		Connections: o.connections(), CACertFile: o.CACertFile, ClientCertFile: o.ClientCertFile, AnyServer: o.AnyServer, Socket: o.socket,
	})
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", o.location(), err)
	}
	return &Store{options: o, transport: transport}, nil
}

// Create makes the place on the server, unless it exists, and opens it.
func Create(ctx context.Context, o Options) (*Store, error) {
	s, err := Open(ctx, o)
	if err != nil {
		return nil, err
	}
	req := s.request(ctx, http.MethodPost, "")
	req.URL.RawQuery = "create=true"
	resp, err := s.send(req)
	if err != nil {
		s.Close()
		return nil, fmt.Errorf("create %s: %w", o.location(), err)
	}
	resp.Body.Close()
	return s, nil
}

// Close ends the connections that are not in use.
func (s *Store) Close() error {
	s.transport.CloseIdleConnections()
	return nil
}

// Location is the URL without the password.
func (s *Store) Location() string { return s.options.location() }
