package postgres_test

import (
	"errors"
	"net"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"holdfast/internal/postgres"
)

// A server that is down is tried with TLS and without: both fail alike, which
// is told once.
func TestServerThatIsDownIsToldOfOnce(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = postgres.Connect(t.Context(), "postgres://u:secret@"+address+"/db", "")
	if err == nil || strings.Count(err.Error(), "connection refused") != 1 || strings.Contains(err.Error(), "\n") ||
		!strings.Contains(err.Error(), address) || strings.Contains(err.Error(), "secret") {
		t.Errorf("%v", err)
	}
	if known := new(pgconn.ConnectError); !errors.As(err, &known) || !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("what it is got lost: %#v", err)
	}
}
