package wan

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// Options describe a link.
type Options struct {
	// RoundTrip is added to each round trip, half of it in each direction. A
	// new connection costs one more.
	RoundTrip time.Duration
	// BitsPerSecond is what passes in each direction; 0 is no bound.
	BitsPerSecond float64
}

// Link is a TCP proxy that behaves like a long line.
type Link struct {
	o        Options
	target   string
	listener net.Listener
	up, down line

	mu     sync.Mutex
	closed bool
	conns  map[net.Conn]struct{}
	group  sync.WaitGroup
}

// NewLink puts a link before the server at target, "host:port". The caller
// closes it.
func NewLink(target string, o Options) (*Link, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("making a link: %w", err)
	}
	l := &Link{o: o, target: target, listener: listener, conns: make(map[net.Conn]struct{})}
	l.up.bytesPerSecond, l.down.bytesPerSecond = o.BitsPerSecond/8, o.BitsPerSecond/8
	l.group.Go(l.serve)
	return l, nil
}

// Address is where the link listens, "host:port".
func (l *Link) Address() string { return l.listener.Addr().String() }

// Options returns what the link is like.
func (l *Link) Options() Options { return l.o }

// Up tells what the clients have sent so far, Down what they were sent.
func (l *Link) Up() Usage { return l.up.usage() }

// Down tells what the clients were sent so far.
func (l *Link) Down() Usage { return l.down.usage() }

// Drop resets all connections, as a line that fails does. New ones work.
func (l *Link) Drop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.conns {
		reset(c)
	}
}

// Close drops all connections and returns when nothing is left running.
func (l *Link) Close() error {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	err := l.listener.Close()
	l.Drop()
	l.group.Wait()
	return err
}

func (l *Link) serve() {
	for {
		client, err := l.listener.Accept()
		if err != nil {
			return // closed
		}
		l.group.Go(func() { l.connect(client) })
	}
}

// connect passes on one connection until both directions have ended.
func (l *Link) connect(client net.Conn) {
	defer l.forget(client)
	if !l.remember(client) {
		return
	}
	// The client's system has its connection already; the line had not yet
	// time for the packets that make one.
	time.Sleep(l.o.RoundTrip)
	server, err := net.Dial("tcp", l.target)
	if err != nil {
		reset(client)
		return
	}
	defer l.forget(server)
	if !l.remember(server) {
		return
	}
	var both sync.WaitGroup
	both.Go(func() { l.pass(server, client, &l.up) })
	both.Go(func() { l.pass(client, server, &l.down) })
	both.Wait()
}

// remember tells whether a connection may live.
func (l *Link) remember(c net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conns[c] = struct{}{}
	return !l.closed
}

func (l *Link) forget(c net.Conn) {
	l.mu.Lock()
	delete(l.conns, c)
	l.mu.Unlock()
	_ = c.Close()
}

const (
	chunkBytes = 32 << 10
	// chunksUnderway bounds what a connection has on the line, as a window
	// does: 8 MiB, more than any line simulated here needs to be filled.
	chunksUnderway = 256
)

// chunk is some bytes and when they arrive.
type chunk struct {
	data    []byte
	arrives time.Time
}

// pass passes on what src sends over a line until it ends.
func (l *Link) pass(dst, src net.Conn, over *line) {
	underway := make(chan chunk, chunksUnderway)
	var arrival sync.WaitGroup
	arrival.Go(func() { deliver(dst, src, underway) })
	for {
		data := make([]byte, chunkBytes)
		n, err := src.Read(data)
		if n > 0 {
			sent := over.send(n, time.Now())
			underway <- chunk{data[:n], sent.Add(l.o.RoundTrip / 2)}
			time.Sleep(time.Until(sent) - backlog)
		}
		if err != nil {
			close(underway)
			arrival.Wait()
			if !errors.Is(err, io.EOF) {
				reset(dst)
			} else if c, ok := dst.(*net.TCPConn); ok {
				_ = c.CloseWrite() // fails on a connection that is gone
			}
			return
		}
	}
}

// deliver writes chunks when they arrive. When nobody takes them any more the
// source is told by a reset, as by a peer that went away.
func deliver(dst, src net.Conn, underway <-chan chunk) {
	for c := range underway {
		time.Sleep(time.Until(c.arrives))
		if _, err := dst.Write(c.data); err != nil {
			reset(src)
			for range underway { // the reader ends with the connection
			}
			return
		}
	}
}

// reset ends a connection with an error for the other side.
func reset(c net.Conn) {
	if t, ok := c.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
	_ = c.Close()
}
