package cli

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"holdfast/internal/app/service"
	"holdfast/internal/wal"
)

// walStateDir is where what belongs to the logs of sources lies: sockets to
// hand files over, and notes of log that was let go.
func walStateDir(s *logSource) (string, error) {
	dir, err := service.FindStateDir("", s.stateDir, os.Getenv)
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "wal"), nil
}

// walSocket is where files of a source's log are handed to a running holdfast.
func walSocket(s *logSource) (string, error) {
	if s.wal.Socket != "" {
		return s.wal.Socket, nil
	}
	dir, err := walStateDir(s)
	return filepath.Join(dir, s.name+".socket"), err
}

// walRule says how the log of a source is archived: who hands files over and
// who takes them must mean the same.
func walRule(s *logSource) string {
	h := sha256.New()
	fmt.Fprintf(h, "%q %q %d\n", s.name, s.wal.Confirm, s.wal.MaxRetained) //nolint:errcheck // never fails
	for _, l := range s.repositories {
		fmt.Fprintf(h, "%q %q\n", l.name, l.url) //nolint:errcheck // never fails
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

// pushOptions say how files of a source's log are archived.
func (c *command) pushOptions(s *logSource, archives wal.Archives, ahead int) (wal.PushOptions, error) {
	o := wal.PushOptions{Archives: archives, Ahead: ahead, Uploads: walUploads}
	if s.wal.MaxRetained == 0 {
		return o, nil
	}
	losses, err := walLosses(s)
	if err != nil {
		return o, err
	}
	o.Retained = wal.Retained{MaxBytes: int64(s.wal.MaxRetained), LetGo: c.letGo(losses), Losses: losses, Noted: c.lossNoted}
	return o, nil
}

// walLosses are the notes of log that was let go.
func walLosses(s *logSource) (*wal.Losses, error) {
	dir, err := walStateDir(s)
	if err != nil {
		return nil, err
	}
	return wal.NewLosses(filepath.Join(dir, s.name+".lost")), nil
}

// logLostMessage tells of log that was let go, and later that the archives know.
// Whoever runs plans takes a new base backup then.
type logLostMessage struct {
	MessageType string    `json:"message_type"` // "log_lost", "log_loss_noted"
	System      string    `json:"system"`
	Timeline    uint32    `json:"timeline"`
	Start       string    `json:"start_lsn"`
	End         string    `json:"end_lsn"`
	File        string    `json:"file"`
	Time        time.Time `json:"time"`
	Why         string    `json:"why"`
}

func newLogLostMessage(kind string, l wal.Loss) logLostMessage {
	return logLostMessage{kind, l.System, l.Timeline, l.Start.String(), l.End.String(), l.Name, l.Time, l.Why}
}

func (c *command) letGo(losses *wal.Losses) func(wal.Loss) error {
	return func(l wal.Loss) error {
		if err := losses.Add(l); err != nil {
			return err
		}
		c.ui.message(newLogLostMessage("log_lost", l))
		c.ui.warn("let go of the log", fmt.Sprintf("%s to %s on timeline %d (%s)", l.Start, l.End, l.Timeline, l.Name),
			fmt.Errorf("more than wal.max_retained waits for the archive: the log has a gap, take a new base backup: %s", l.Why))
		return nil
	}
}

// lossNoted tells that the archives are back and know what was let go.
func (c *command) lossNoted(l wal.Loss) { c.ui.message(newLogLostMessage("log_loss_noted", l)) }

// takeHandOvers lets the archive_command of a source hand files to this
// process. It is no failure when another one takes them already.
func (c *command) takeHandOvers(ctx context.Context, s *logSource, archives wal.Archives) (stop func(), err error) {
	socket, err := walSocket(s)
	if err != nil {
		return nil, err
	}
	o, err := c.pushOptions(s, archives, walAhead)
	if err != nil {
		return nil, err
	}
	h, err := wal.NewHandOver(ctx, socket, walRule(s), o, ownOne)
	if errors.Is(err, wal.ErrTaken) {
		c.ui.warn("take files of archive_command", s.name, err)
		return func() {}, nil
	}
	if err != nil {
		return nil, err
	}
	c.ui.infof("taking the files of archive_command for %s at %s", s.name, socket)
	return func() {
		if err := h.Close(); err != nil {
			c.ui.warn("take files of archive_command", s.name, err)
		}
	}, nil
}

// rarely calls tell at most once a minute for each key.
func rarely(tell func(key string, err error)) func(key string, err error) {
	var mu sync.Mutex
	told := map[string]time.Time{}
	return func(key string, err error) {
		mu.Lock()
		defer mu.Unlock()
		if time.Since(told[key]) < time.Minute {
			return
		}
		told[key] = time.Now()
		tell(key, err)
	}
}
