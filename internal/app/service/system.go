package service

import (
	"context"
	"log/slog"
	"net"
	"os"
	"strconv"
	"time"
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

// watchdogLimit returns how long systemd waits for a sign of life before it
// ends the service and starts it again; 0 if it does not. See
// sd_watchdog_enabled(3).
func watchdogLimit() time.Duration {
	if pid := os.Getenv("WATCHDOG_PID"); pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return 0 // another process is meant, which handed its environment on
	}
	micros, err := strconv.ParseInt(os.Getenv("WATCHDOG_USEC"), 10, 64)
	if err != nil || micros <= 0 {
		return 0
	}
	return time.Duration(micros) * time.Microsecond
}

// unwellShare is the part of the watchdog's limit after which a service that
// was not well is asked again: it may have been a disk that was slow for once.
const unwellShare = 20

// pet tells systemd's watchdog that the service lives, for as long as it is
// well: a timer of its own would go on in a service that does nothing any more.
// A limit of 0 is no watchdog.
func pet(ctx context.Context, limit time.Duration, well func() error, log *slog.Logger) error {
	if limit == 0 {
		return nil
	}
	next := time.NewTimer(limit / 2)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-next.C:
		}
		err := well()
		switch {
		case ctx.Err() != nil: // it ends, and need not be well
			return nil
		case err != nil:
			log.Warn("the service is not well, and systemd's watchdog is left without a sign", "error", err)
			next.Reset(limit / unwellShare)
		default:
			notifySystem("WATCHDOG=1")
			next.Reset(limit / 2)
		}
	}
}
