package wal

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// HandOver takes files of pg_wal from the short-lived commands that PostgreSQL
// runs, and archives them together: in parallel, those that wait as well, over
// connections that stay. A command is answered when its file is durable.
type HandOver struct {
	pusher   *pusher
	rule     string
	listener net.Listener
	lock     *os.File
	cancel   context.CancelFunc
	running  sync.WaitGroup
}

// ErrNobody says that no running holdfast listens at a socket.
var ErrNobody = errors.New("no running holdfast listens here")

// ErrTaken says that another holdfast takes files at a socket.
var ErrTaken = errors.New("another running holdfast takes the WAL of this source")

// NewHandOver takes files at a socket until Close. rule says how they are
// archived: who hands over must mean the same. own gives the socket to the
// user who hands over.
func NewHandOver(ctx context.Context, socket, rule string, o PushOptions, own func(path string) error) (*HandOver, error) {
	if err := os.MkdirAll(filepath.Dir(socket), 0o700); err != nil {
		return nil, fmt.Errorf("take WAL: %w", err)
	}
	lock, err := takeLock(socket + ".lock")
	if err != nil {
		return nil, fmt.Errorf("take WAL at %s: %w", socket, err)
	}
	h := &HandOver{rule: rule, lock: lock}
	if err := h.listen(socket, own); err != nil {
		return nil, errors.Join(fmt.Errorf("take WAL: %w", err), lock.Close())
	}
	ctx, h.cancel = context.WithCancel(ctx)
	if h.pusher, err = newPusher(ctx, o); err != nil {
		h.cancel()
		return nil, errors.Join(err, h.listener.Close(), lock.Close())
	}
	h.running.Go(func() { h.accept(ctx) })
	return h, nil
}

// takeLock holds a file for as long as the process lives; the system lets go
// of it when that is killed.
func takeLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if !tryLock(f) {
		return nil, errors.Join(ErrTaken, f.Close())
	}
	return f, nil
}

// listen makes the socket. One that is there was left by a process that was
// killed: whoever lives has the lock.
func (h *HandOver) listen(socket string, own func(string) error) error {
	if err := os.Remove(socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	var err error
	if h.listener, err = net.Listen("unix", socket); err != nil {
		if len(socket) > maxSocketBytes {
			err = fmt.Errorf("%w: the path is longer than the %d characters that systems allow", err, maxSocketBytes)
		}
		return err
	}
	if err = os.Chmod(socket, 0o600); err == nil {
		err = own(socket)
	}
	if err != nil {
		err = errors.Join(err, h.listener.Close())
	}
	return err
}

// maxSocketBytes is how long the path of a socket may be, on all systems.
const maxSocketBytes = 103

// Close takes no more files, and returns when nobody waits for an answer.
func (h *HandOver) Close() error {
	err := h.listener.Close()
	h.cancel()
	h.running.Wait()
	h.pusher.ap.close()
	return errors.Join(err, h.lock.Close())
}

func (h *HandOver) accept(ctx context.Context) {
	for {
		conn, err := h.listener.Accept()
		if err != nil {
			return
		}
		h.running.Go(func() {
			defer conn.Close()
			stop := context.AfterFunc(ctx, func() { conn.SetReadDeadline(time.Now()) }) //nolint:errcheck // the answer tells
			defer stop()
			h.answer(ctx, conn)
		})
	}
}

// Request is what is asked for, on one line of JSON; the answer is one, too.
type Request struct {
	// Path is that of the file.
	Path string `json:"path"`
	// Rule says how it is to be archived, as NewHandOver has it.
	Rule string `json:"rule"`
	// Mark is that of PushOptions.
	Mark bool `json:"mark,omitempty"`
}

type reply struct {
	// Other tells that the rule is not the one of this holdfast.
	Other bool   `json:"other,omitempty"`
	Error string `json:"error,omitempty"`
}

// maxRequestBytes bounds a request: a path, and the rule.
const maxRequestBytes = 64 << 10

func (h *HandOver) answer(ctx context.Context, conn net.Conn) {
	var asked Request
	line, err := bufio.NewReader(io.LimitReader(conn, maxRequestBytes)).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &asked)
	}
	if err != nil {
		return
	}
	var r reply
	if asked.Rule != h.rule {
		r.Other = true
	} else if err := h.push(ctx, conn, asked); err != nil {
		r.Error = err.Error()
	}
	json.NewEncoder(conn).Encode(r) //nolint:errcheck // whoever asked is gone
}

// push archives a file, for as long as somebody waits for it.
func (h *HandOver) push(ctx context.Context, conn net.Conn, asked Request) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		conn.Read(make([]byte, 1)) //nolint:errcheck // it returns when whoever asked goes away
		cancel()
	}()
	return h.pusher.push(ctx, asked.Path, asked.Mark)
}

// HandTo hands a file of pg_wal to the holdfast that takes files at a socket,
// and returns nil only when the file is durable. It is ErrNobody when there is
// no such holdfast, it archives by another rule, or it dies meanwhile.
func HandTo(ctx context.Context, socket string, asked Request) error {
	var err error
	asked.Path, err = filepath.Abs(asked.Path)
	if err != nil {
		return fmt.Errorf("push: %w", err)
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", socket)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNobody, err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	var r reply
	err = json.NewEncoder(conn).Encode(asked)
	if err == nil {
		err = json.NewDecoder(conn).Decode(&r)
	}
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return fmt.Errorf("%w: it gave no answer: %w", ErrNobody, err)
	case r.Other:
		return fmt.Errorf("%w: the one that runs was started with other settings; start it again", ErrNobody)
	case r.Error != "":
		return errors.New(strings.TrimSpace(r.Error))
	}
	return nil
}
