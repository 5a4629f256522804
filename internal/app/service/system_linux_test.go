package service

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"time"
)

// listenAsSystemd makes the socket that services tell their state to, and
// returns what reads the next message; "" for none within the wait.
func listenAsSystemd(t *testing.T) func(wait time.Duration) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	return func(wait time.Duration) string {
		message := make([]byte, 100)
		conn.SetReadDeadline(time.Now().Add(wait))
		n, err := conn.Read(message)
		if err != nil {
			return ""
		}
		return string(message[:n])
	}
}

// A service that is not well stays silent, so that systemd starts it again;
// one that is well again speaks again.
func TestWatchdogIsToldOfAServiceThatIsWell(t *testing.T) {
	next := listenAsSystemd(t)
	var sick atomic.Bool
	asked := make(chan struct{})
	well := func() error {
		asked <- struct{}{}
		if sick.Load() {
			return errors.New("the controller does not answer")
		}
		return nil
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- pet(ctx, 40*time.Millisecond, well, slog.New(slog.DiscardHandler)) }()
	expect := func(want string) {
		t.Helper()
		if got := next(time.Minute); got != want {
			t.Fatalf("systemd was told %q, want %q", got, want)
		}
	}
	<-asked
	expect("WATCHDOG=1")
	sick.Store(true)
	for range 5 { // when it is asked again, all that it said before was said
		<-asked
	}
	if got := next(time.Millisecond); got != "" {
		t.Errorf("a service that is not well said %q", got)
	}
	sick.Store(false)
	<-asked // may have looked before
	<-asked
	expect("WATCHDOG=1")
	stop()
	select {
	case <-asked:
	case err := <-ended:
		ended <- err
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestWatchdogLimit(t *testing.T) {
	for _, c := range []struct {
		usec, pid string
		want      time.Duration
	}{
		{"300000000", "", 5 * time.Minute},
		{"300000000", "self", 5 * time.Minute},
		{"300000000", "1", 0}, // inherited from another
		{"", "", 0},
		{"often", "", 0},
		{"-1", "", 0},
	} {
		pid := c.pid
		if pid == "self" {
			pid = strconv.Itoa(os.Getpid())
		}
		t.Setenv("WATCHDOG_USEC", c.usec)
		t.Setenv("WATCHDOG_PID", pid)
		if got := watchdogLimit(); got != c.want {
			t.Errorf("WATCHDOG_USEC=%s WATCHDOG_PID=%s: %s, want %s", c.usec, c.pid, got, c.want)
		}
	}
}
